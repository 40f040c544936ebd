//! Proofs of possession that were used, in Envoy's shared data: one memory for all workers of a proxy whose plugins have
//! the same `vm_id`. Other replicas have their own.
//!
//! Shared data grows for ever, since no key of it can be deleted: there is a fixed number of keys, each with a short list.
//! A list that is full takes no more until some of it is over, and what can't be remembered does not count.

use request_guard::{ReplayError, ReplayStore};

use crate::abi::{self, HostError, Status};

/// The lists in which what was used is remembered.
pub(crate) struct Replays<D>(D);

/// Envoy's shared data.
pub(crate) struct EnvoyData;

/// Data that all workers share.
pub(crate) trait SharedData {
    /// A value and its version; nothing where there is none.
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError>;

    /// Replaces the value of this version (0: any, or none). Says whether it was still that.
    fn set(&self, key: &str, value: &[u8], version: u32) -> Result<bool, HostError>;
}

const LISTS: u16 = 1_024;
/// With all lists full, some 260,000 proofs and 6 MB.
const ENTRIES: usize = 256;
/// Half of a SHA-256, and a time in Unix seconds.
const ID_BYTES: usize = 16;
const ENTRY_BYTES: usize = ID_BYTES + 8;
/// How often another worker may be faster.
const TRIES: usize = 64;

// === impl Replays ===

impl<D: SharedData> Replays<D> {
    /// Makes the lists that are not there yet. To be called while the plugin is configured: Envoy does that on one thread
    /// before the workers, so that no worker can empty a list that another has written to.
    ///
    /// # Errors
    /// The host refused.
    pub(crate) fn open(data: D) -> Result<Self, HostError> {
        for list in 0..LISTS {
            let key = key(list);
            if data.get(&key)?.is_none() {
                data.set(&key, &[], 0)?;
            }
        }
        Ok(Self(data))
    }

    fn remember(&self, id: &[u8; 32], until: u64, now: u64) -> Result<bool, ReplayError> {
        let [first, second, ..] = *id;
        let key = key(u16::from_be_bytes([first, second]) % LISTS);
        let id = id.get(..ID_BYTES).ok_or(ReplayError::Host)?;
        for _ in 0..TRIES {
            // A list that is gone, or was never made, would be one that has forgotten.
            let Ok(Some((list, version))) = self.0.get(&key) else { return Err(ReplayError::Host) };
            let (entries, []) = list.as_chunks::<ENTRY_BYTES>() else { return Err(ReplayError::Host) };
            if version == 0 {
                return Err(ReplayError::Host);
            }
            if entries.iter().any(|entry| entry.starts_with(id)) {
                return Ok(true);
            }
            let live: Vec<&[u8; ENTRY_BYTES]> = entries.iter().filter(|entry| end_of(entry) >= now).collect();
            if live.len() >= ENTRIES {
                return Err(ReplayError::Full);
            }
            let mut list = live.into_iter().flatten().copied().collect::<Vec<u8>>();
            list.extend_from_slice(id);
            list.extend_from_slice(&until.to_be_bytes());
            match self.0.set(&key, &list, version) {
                Ok(true) => return Ok(false),
                Ok(false) => {}
                Err(_) => return Err(ReplayError::Host),
            }
        }
        Err(ReplayError::Host)
    }
}

impl<D: SharedData> ReplayStore for Replays<D> {
    fn seen(&self, id: &[u8; 32], until: u64, now: u64) -> Result<bool, ReplayError> {
        self.remember(id, until, now)
    }
}

fn key(list: u16) -> String {
    format!("meshwarden.dpop.v1.{list}")
}

/// The last second at which an entry counts.
fn end_of(entry: &[u8; ENTRY_BYTES]) -> u64 {
    entry.last_chunk().copied().map_or(u64::MAX, u64::from_be_bytes)
}

// === impl EnvoyData ===

impl SharedData for EnvoyData {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
        match abi::get_shared_data(key) {
            Ok(found) => Ok(Some(found)),
            Err(HostError::Call { status: Status::NotFound, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn set(&self, key: &str, value: &[u8], version: u32) -> Result<bool, HostError> {
        match abi::set_shared_data(key, value, version) {
            Ok(()) => Ok(true),
            Err(HostError::Call { status: Status::OtherVersion, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use request_guard::{ReplayError, ReplayStore as _};

    use super::{ENTRIES, HostError, LISTS, Replays, SharedData, Status};

    /// As Envoy has it: versions are counted from 1.
    #[derive(Default)]
    struct Data {
        values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
        version: Cell<u32>,
        /// How often another worker is faster.
        races: Cell<usize>,
        broken: Cell<bool>,
    }

    const BROKEN: HostError = HostError::Call { call: "none", status: Status::BadArgument };

    impl SharedData for &Data {
        fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
            if self.broken.get() { Err(BROKEN) } else { Ok(self.values.borrow().get(key).cloned()) }
        }

        fn set(&self, key: &str, value: &[u8], version: u32) -> Result<bool, HostError> {
            self.version.set(self.version.get() + 1);
            if let Some(left) = self.races.get().checked_sub(1).filter(|_| version != 0) {
                self.races.set(left);
                if let Some((_, found)) = self.values.borrow_mut().get_mut(key) {
                    *found = self.version.get();
                }
                self.version.set(self.version.get() + 1);
            }
            let mut values = self.values.borrow_mut();
            if version != 0 && values.get(key).is_some_and(|(_, found)| *found != version) {
                return Ok(false);
            }
            values.insert(key.to_owned(), (value.to_vec(), self.version.get()));
            Ok(true)
        }
    }

    fn id(list: u16, number: u32) -> [u8; 32] {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&list.to_be_bytes());
        id[4..8].copy_from_slice(&number.to_be_bytes());
        id
    }

    #[test]
    fn what_was_used_is_remembered_by_all_workers_until_it_is_over() {
        let data = Data::default();
        let (one, other) = (Replays::open(&data).unwrap(), Replays::open(&data).unwrap());
        assert_eq!(data.values.borrow().len(), usize::from(LISTS));
        assert_eq!(one.seen(&id(1, 1), 100, 10), Ok(false));
        assert_eq!(other.seen(&id(1, 1), 100, 10), Ok(true));
        assert_eq!(other.seen(&id(1, 1), 100, 100), Ok(true));
        assert_eq!(other.seen(&id(1, 2), 200, 100), Ok(false));
        // Opened once more, as when a configuration is loaded again, it forgets nothing.
        assert_eq!(Replays::open(&data).unwrap().seen(&id(1, 1), 100, 100), Ok(true));
        // Over and pruned by the next one, which is then a proof too old to be taken.
        assert_eq!(one.seen(&id(1, 3), 200, 101), Ok(false));
        assert_eq!(one.seen(&id(1, 1), 300, 101), Ok(false));
        assert_eq!(one.seen(&id(1, 2), 200, 101), Ok(true));
    }

    #[test]
    fn a_full_list_takes_no_more_and_others_do() {
        let data = Data::default();
        let replays = Replays::open(&data).unwrap();
        for number in 0..u32::try_from(ENTRIES).unwrap() {
            assert_eq!(replays.seen(&id(7, number), 100 + u64::from(number), 10), Ok(false));
        }
        assert_eq!(replays.seen(&id(7, 9_999), 100, 10), Err(ReplayError::Full));
        assert_eq!(replays.seen(&id(7, 0), 100, 10), Ok(true), "and still knows what it has");
        assert_eq!(replays.seen(&id(8, 9_999), 100, 10), Ok(false));
        assert_eq!(replays.seen(&id(7 + LISTS, 9_999), 100, 10), Err(ReplayError::Full), "the same list");
        assert_eq!(replays.seen(&id(7, 9_999), 200, 101), Ok(false), "one of them is over");
        let longest = data.values.borrow().values().map(|(value, _)| value.len()).max();
        assert_eq!(longest, Some(ENTRIES * super::ENTRY_BYTES));
    }

    #[test]
    fn workers_that_are_faster_are_tried_again_but_not_for_ever() {
        let data = Data::default();
        let replays = Replays::open(&data).unwrap();
        data.races.set(5);
        assert_eq!(replays.seen(&id(1, 1), 100, 10), Ok(false));
        assert_eq!(replays.seen(&id(1, 1), 100, 10), Ok(true));
        data.races.set(usize::MAX);
        assert_eq!(replays.seen(&id(1, 2), 100, 10), Err(ReplayError::Host));
    }

    #[test]
    fn where_the_host_fails_nothing_counts() {
        let data = Data::default();
        let replays = Replays::open(&data).unwrap();
        let all = || id(1, 1);
        data.values.borrow_mut().insert(super::key(1), (vec![0; super::ENTRY_BYTES + 1], 1));
        assert_eq!(replays.seen(&all(), 100, 10), Err(ReplayError::Host), "a list that is none");
        data.values.borrow_mut().insert(super::key(1), (Vec::new(), 0));
        assert_eq!(replays.seen(&all(), 100, 10), Err(ReplayError::Host), "without a version");
        data.values.borrow_mut().remove(&super::key(1));
        assert_eq!(replays.seen(&all(), 100, 10), Err(ReplayError::Host), "a list that is gone");
        data.broken.set(true);
        assert_eq!(replays.seen(&id(2, 1), 100, 10), Err(ReplayError::Host));
        assert_eq!(Replays::open(&data).err(), Some(BROKEN));
    }
}
