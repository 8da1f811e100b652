//! `demo`: the shop, from raw files to a report, one run per month.
//!
//! All of it lies under `data/`, which git ignores. The raw files are made once and kept; the lake is rebuilt each time.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Outcome;
use crate::process::{build_tranche, program, root, run};

const PIPELINE: &str = "shop";
const REPORT: &str = "monthly";
const AS_OFS: [&str; 3] = ["2026-09-01", "2026-10-01", "2026-11-01"];
const LAKE: &str = "data/lake";

/// Builds Tranche, runs the shop, and ends with the path of its newest report.
pub(crate) fn demo() -> Outcome {
    let tranche = build_tranche()?;
    let start = Instant::now();
    remove_lake()?;
    if has_raw_data(&root().join("data")) {
        println!("── data: already in data/ (delete that folder to make it again)");
    } else {
        println!("── data: tranche init . --data-only");
        run(&mut program(&tranche, &["init", ".", "--data-only"]))?;
    }
    for as_of in AS_OFS {
        println!("── {as_of}: tranche --lake {LAKE} run {PIPELINE} --as-of {as_of}");
        run(&mut program(&tranche, &["--lake", LAKE, "run", PIPELINE, "--as-of", as_of]))?;
    }
    let reports = format!("{LAKE}/reports/{REPORT}");
    let newest = newest_page(&root().join(&reports))
        .ok_or_else(|| format!("the runs wrote no page under {reports}/"))?;
    println!("── {} runs in {:.1} s", AS_OFS.len(), start.elapsed().as_secs_f64());
    println!("{}", newest.display());
    Ok(())
}

fn remove_lake() -> Outcome {
    match fs::remove_dir_all(root().join(LAKE)) {
        Err(problem) if problem.kind() != ErrorKind::NotFound => {
            Err(format!("cannot remove {LAKE}: {problem}"))
        }
        _ => Ok(()),
    }
}

fn has_raw_data(data: &Path) -> bool {
    let lake = Path::new(LAKE).file_name();
    fs::read_dir(data).is_ok_and(|entries| entries.flatten().any(|entry| Some(&*entry.file_name()) != lake))
}

/// `<reports>/<as_of>/index.html` of the latest as_of. These folders are named so that they sort by time.
fn newest_page(reports: &Path) -> Option<PathBuf> {
    let pages = fs::read_dir(reports).ok()?.flatten().map(|entry| entry.path().join("index.html"));
    pages.filter(|page| page.is_file()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, gone again when `body` is done.
    fn with_files(name: &str, files: &[&str], body: impl FnOnce(&Path)) -> std::io::Result<()> {
        let folder = std::env::temp_dir().join(format!("tranche-xtask-{}-{name}", std::process::id()));
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            fs::write(path, "")?;
        }
        body(&folder);
        fs::remove_dir_all(folder)
    }

    #[test]
    fn a_lake_alone_is_no_raw_data() -> std::io::Result<()> {
        with_files("lake", &["lake/tables/orders/0.parquet"], |data| assert!(!has_raw_data(data)))?;
        with_files("raw", &["lake/tables/orders/0.parquet", "orders/2026-08.csv"], |data| {
            assert!(has_raw_data(data))
        })?;
        assert!(!has_raw_data(Path::new("no/such/folder")));
        Ok(())
    }

    #[test]
    fn the_newest_page_is_of_the_latest_as_of_that_has_one() -> std::io::Result<()> {
        let files = ["2026-09-01/index.html", "2026-10-01/index.html", "2026-11-01/report.json"];
        with_files("pages", &files, |reports| {
            assert_eq!(newest_page(reports), Some(reports.join("2026-10-01/index.html")));
        })
    }
}
