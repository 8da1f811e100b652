//! What a refresh saves of its measures, so that the next one reads only what changed: for each event table
//! the files that were read, for each measure its window and one value per entity, and the events of a sample
//! of the entities.

mod codec;
mod place;
mod saved;

pub(crate) use place::{Reading, StatePlace};
pub(crate) use saved::{SavedMeasure, SavedMeasures, identity, is_keepable};
