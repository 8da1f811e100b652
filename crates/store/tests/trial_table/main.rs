//! A kind of table in the lake is one file (beside this one) and one line (`with`): it is then listed,
//! examined, maintained and has a name in SQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod visits;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use tranche_store::commit::DeltaPlanner;
use tranche_store::layout::Layout;
use tranche_store::maintenance::Retention;
use tranche_store::{Commit, CommitMode, Lake, Storage};

fn visit(number: usize) -> RecordBatch {
    let column = |text: String| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let columns = vec![column(format!("visitor {number}")), column("home".to_owned())];
    RecordBatch::try_new(visits::schema(), columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_one_file_and_one_line_is_listed_examined_and_maintained() {
    let lake = Lake::open(&Storage::new(BTreeMap::new()), "memory://lake/", Path::new("/")).unwrap();
    let lake = lake.with_layout(Layout::default().with(visits::VISITS));
    let state =
        SessionStateBuilder::new_with_default_features().with_query_planner(DeltaPlanner::new()).build();
    let context = SessionContext::new_with_state(state);
    let session = || Arc::new(context.state());
    let folder = visits::VISITS.of("shop");
    for number in 0..9 {
        let rows = context.read_batch(visit(number)).unwrap().logical_plan().clone();
        let commit = Commit::new(&folder, &format!("visits/{number}"), CommitMode::Append, rows);
        lake.commit(session(), commit).await.unwrap();
    }

    assert_eq!(lake.tables().await.unwrap(), [folder.as_str()]);
    assert_eq!(lake.check_integrity(&folder).await.unwrap(), []);
    let (kind, source) = lake.layout().find(&folder).unwrap();
    assert_eq!(
        (kind.sql_name(source.unwrap()), kind.fixed_schema()),
        ("visits_shop".into(), Some(visits::schema()))
    );

    let target = NonZeroU64::new(1 << 20).unwrap();
    let done = lake.maintain(session(), &folder, target, Retention::Exactly(Duration::ZERO)).await;
    assert!(done.left.is_empty(), "{done:?}");
    assert_eq!((done.compaction.merged_files, done.compaction.written_files, done.deleted_files), (9, 1, 9));
    let snapshot = lake.snapshot(&folder).await.unwrap().unwrap();
    assert_eq!((snapshot.rows(), snapshot.files().unwrap().len()), (9, 1));
}
