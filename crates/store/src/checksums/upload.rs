//! A Parquet file that is sent in parts: its last parts are held back until the footer is there.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::blocks::{Summing, footer_start, has_table};

/// Parts that are held back: footers are shorter than these.
const HELD: usize = 2;

/// Sizes of stored files by their names, until an entry of a log names them.
pub(super) type Sizes = Arc<Mutex<HashMap<String, u64>>>;

/// An upload that adds checksums.
#[derive(Debug)]
pub(super) struct CheckedUpload {
    inner: Box<dyn MultipartUpload>,
    name: String,
    blocks: Option<Summing>,
    sent_bytes: u64,
    held: VecDeque<Bytes>,
    sizes: Sizes,
}

impl CheckedUpload {
    pub(super) fn new(inner: Box<dyn MultipartUpload>, name: &str, sizes: Sizes) -> Self {
        let blocks = Some(Summing::new(name));
        Self { inner, name: name.to_owned(), blocks, sent_bytes: 0, held: VecDeque::new(), sizes }
    }

    /// The held parts as one, with checksums where they hold a footer.
    fn last(&mut self) -> Bytes {
        let held = self.held.make_contiguous().concat();
        let start = footer_start(&held).filter(|start| !has_table(&held[..*start]));
        let (Some(start), Some(mut blocks)) = (start, self.blocks.take()) else { return held.into() };
        let (covered, footer) = held.split_at(start);
        blocks.add(covered);
        let table = blocks.into_table(self.sent_bytes + covered.len() as u64, footer);
        [covered, &table, footer].concat().into()
    }
}

#[async_trait]
impl MultipartUpload for CheckedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.held.push_back(Bytes::from(data));
        if self.held.len() <= HELD {
            return std::future::ready(Ok(())).boxed();
        }
        let part = self.held.pop_front().unwrap_or_default();
        if let Some(blocks) = &mut self.blocks {
            blocks.add(&part);
        }
        self.sent_bytes += part.len() as u64;
        self.inner.put_part(part.into())
    }

    async fn complete(&mut self) -> Result<PutResult> {
        // Some storages want all parts but the last of one size.
        let first = self.held.front().map_or(0, Bytes::len);
        let last = self.last();
        self.held.clear();
        let size = self.sent_bytes + last.len() as u64;
        let (one, two) = (last.slice(..first.min(last.len())), last.slice(first.min(last.len())..));
        for part in [one, two] {
            if !part.is_empty() {
                self.inner.put_part(part.into()).await?;
            }
        }
        let stored = self.inner.complete().await?;
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name.clone(), size);
        Ok(stored)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
