//! Connecting to a storage by its URL.

use legwork::prelude::*;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "noop")]
struct Noop {}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn an_sqlite_url_opens_and_migrates_a_file_that_keeps_its_jobs() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("app.db");
    let url = format!("sqlite://{}?synchronous=normal", path.display());
    let jobs = Jobs::connect(&url).await.expect("the file is created");
    let noop = jobs.enqueue(Noop {}).await.expect("the schema is there");
    jobs.close().await.expect("everything is stored");
    let jobs = Jobs::connect(&url).await.expect("the file is opened again");
    let job = jobs.store().job((&noop).into()).await.expect("the storage answers");
    assert_eq!(job.expect("the job was kept").summary.kind.as_str(), "noop");
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn a_memory_url_opens_a_storage_of_its_own() {
    let jobs = Jobs::connect("memory://").await.expect("memory is always there");
    let noop = jobs.enqueue(Noop {}).await.expect("the job is valid");
    let other = Jobs::connect("memory://").await.expect("memory is always there");
    assert_eq!(other.store().job((&noop).into()).await.expect("an answer"), None);
}

#[cfg(not(feature = "postgres"))]
#[tokio::test]
async fn a_storage_that_was_not_built_in_is_named_with_its_feature() {
    let error = Jobs::connect("postgres://me:s3cret@localhost/app").await.expect_err("not here");
    assert_eq!(error.kind(), legwork::ErrorKind::Unsupported);
    let message = "this storage needs the feature \"postgres\" of the crate legwork";
    assert_eq!(error.to_string(), message);
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_postgres_url_that_is_wrong_is_refused_without_its_password() {
    let url = "postgres://me:s3cret@localhost/app?schema=Jobs";
    let error = Jobs::connect(url).await.expect_err("the schema is in capitals");
    assert_eq!(error.kind(), legwork::ErrorKind::Invalid);
    assert_eq!(error.to_string(), "`schema` may contain only a-z, 0-9 and _");
    let url = "postgresql://me:s3cret@localhost/app?pooled=perhaps";
    let error = Jobs::connect(url).await.expect_err("pooled is yes or no");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn an_unknown_url_is_refused() {
    let error = Jobs::connect("mysql://localhost").await.expect_err("there is no such storage");
    assert!(error.to_string().starts_with("mysql:// is no storage: expected sqlite://"), "{error}");
}
