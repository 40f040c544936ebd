//! Everything that is known to be worth trying, again, on any compiler: the seeds, what fuzzers found, and a few
//! thousand mutations of both that are the same each time.

#![cfg(test)]

use std::fs;
use std::path::Path;

use fuzz::TARGETS;

/// Mutations of each input.
const MUTATIONS: u64 = 200;

/// The inputs of a target, the name of each with it.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/fuzz").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = files
        .map(|file| {
            let file = file.unwrap();
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

/// A generator of numbers that look random and never change (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).unwrap()
    }
}

/// Cuts, repeats, joins and changes, at random places.
fn mutated(numbers: &mut Numbers, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut input = input.to_vec();
    for _ in 0..=numbers.below(4) {
        let (at, end) = (numbers.below(input.len() + 1), numbers.below(input.len() + 1));
        let (from, to) = (at.min(end), at.max(end));
        match numbers.below(6) {
            0 => drop(input.drain(from..to)),
            1 => input.splice(to..to, input[from..to].to_vec()).for_each(drop),
            2 => {
                let start = numbers.below(other.len());
                let piece = &other[start..(start + numbers.below(40)).min(other.len())];
                input.splice(from..from, piece.iter().copied()).for_each(drop);
            }
            3 => input.insert(at, b"\"{}[],:\n\r \\^0aA\xff"[numbers.below(15)]),
            _ if at < input.len() => input[at] ^= 1 << numbers.below(8),
            _ => {}
        }
    }
    input
}

#[test]
fn what_must_hold_holds_for_every_input_and_for_its_neighbours() {
    for (target, run) in TARGETS {
        let inputs = inputs(target);
        assert!(inputs.len() >= 10, "{target} has {} inputs", inputs.len());
        let mut numbers = Numbers(1);
        for (name, input) in &inputs {
            println!("{target}/{name}");
            run(input);
            for _ in 0..MUTATIONS {
                let other = &inputs[numbers.below(inputs.len())].1;
                let mutation = mutated(&mut numbers, input, other);
                println!("{:?}", String::from_utf8_lossy(&mutation));
                run(&mutation);
            }
        }
    }
}
