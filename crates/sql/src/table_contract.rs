//! The contract that a table was made by, and whether it may be read and loaded by the present one.
//!
//! Each load's commit carries a mark that says by which contract: a digest, under which the part of the contract that rows depend on lies
//! in the lake. So table and memory change together.

use futures::TryFutureExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tranche_schema::{Contract, StoredContract};
use tranche_store::commit::Transaction;
use tranche_store::{Lake, Snapshot, StoreError, layout};

use crate::SqlError;

/// The application transaction whose version is the digest of the contract.
const MARK: &str = "contract";

/// Whether a table holds what this contract says. One that was loaded before tables remembered is taken to be of this contract, as far as
/// its rows show nothing else.
///
/// # Errors
/// [`SqlError::Contract`] with what the table cannot follow, [`SqlError::Store`] when it cannot be read.
pub async fn check_contract(lake: &Lake, contract: &Contract, table: &Snapshot) -> Result<(), SqlError> {
    let stored = table.schema()?;
    let present = Remembered::of(contract);
    let remembered = match table.transaction_version(MARK).await? {
        Some(digest) if digest == present.mark.version => present.contract,
        Some(digest) => Remembered::read(lake, digest).await?,
        None => StoredContract::of_rows(contract, &stored),
    };
    remembered.check(contract, &stored).map_err(|changed| SqlError::Contract(Box::new(changed)))
}

/// The mark of a commit of rows that this contract describes; what it stands for is in the lake from then on.
///
/// # Errors
/// [`SqlError::Store`] when it cannot be written.
pub async fn remember_contract(lake: &Lake, contract: &Contract) -> Result<Transaction, SqlError> {
    let Remembered { text, mark, .. } = Remembered::of(contract);
    let path = path_of(mark.version);
    // Written over: the same name always holds the same bytes.
    lake.objects().put(&path, text.into()).await.map_err(|error| StoreError::object(&path, error))?;
    Ok(mark)
}

/// What a table remembers, as it is written.
struct Remembered {
    contract: StoredContract,
    text: String,
    mark: Transaction,
}

impl Remembered {
    fn of(contract: &Contract) -> Self {
        let contract = StoredContract::of(contract);
        let text = serde_json::to_string(&contract).unwrap_or_default();
        let mark = mark_of(text.as_bytes());
        Self { contract, text, mark }
    }

    async fn read(lake: &Lake, digest: i64) -> Result<StoredContract, SqlError> {
        let (path, objects) = (path_of(digest), lake.objects());
        let failed = |error| StoreError::object(&path, error);
        let bytes = objects.get(&path).and_then(|found| found.bytes()).await.map_err(failed)?;
        let damaged = |reason: String| StoreError::Damaged { path: path.to_string(), reason };
        if mark_of(&bytes).version != digest {
            return Err(damaged("its content does not have the digest of its name".to_owned()).into());
        }
        Ok(serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?)
    }
}

fn mark_of(text: &[u8]) -> Transaction {
    Transaction::of_digest(MARK, blake3::hash(text).as_bytes())
}

fn path_of(digest: i64) -> Path {
    Path::from(layout::system::CONTRACTS.path).join(format!("{digest:016x}.json"))
}
