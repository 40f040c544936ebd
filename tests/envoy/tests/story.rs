//! The story of the demo, row by row, in both families of revisions, and with every way in which a server answers.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use testbed::{Answers, Form, Revision, STORY, World};

async fn tell(form: Form) -> Result<()> {
    for answers in [Answers::Json, Answers::Sse] {
        let world = World::builder().form(form).answers(answers).start().await?;
        for scene in STORY {
            for row in scene.rows {
                for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
                    let played = world.play(row, revision).await?;
                    let what = || format!("{answers:?} {revision:?} {}: {} {played:#?}", scene.title, row.request);
                    played.check(row).with_context(what)?;
                }
            }
        }
        world.guard_never_failed();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_goes_as_it_is_told() -> Result<()> {
    in_both_forms(tell).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_so_too_where_envoy_verifies_the_tokens() -> Result<()> {
    tell(Form::Native).await
}
