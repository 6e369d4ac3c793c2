use std::collections::BTreeSet;

use sqlx::migrate::{MigrateError, Migration, Migrator};

use super::{Connected, Db, Tx};

/// Both folders of migrations, embedded; the same file names in each.
pub static MIGRATORS: (Migrator, Migrator) = (sqlx::migrate!("migrations/sqlite"), sqlx::migrate!("migrations/postgres"));

/// How many migrations the database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending(pub usize);

/// The table in which the migrations that were run are kept.
pub(super) const LEDGER: &str = "_sqlx_migrations";

/// The migrations that a database has seen, by number.
///
/// # Errors
/// Where it has none: then it is not the portal's.
pub async fn seen(db: &mut impl Connected) -> Result<BTreeSet<i64>, sqlx::Error> {
    let rows: Vec<(i64,)> = crate::sql!(all as (i64,), db, "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")?;
    Ok(rows.into_iter().map(|(version,)| version).collect())
}

/// The migrations that this program knows, by number.
#[must_use]
pub fn known() -> BTreeSet<i64> {
    MIGRATORS.0.iter().map(|migration| migration.version).collect()
}

/// Runs these migrations in a transaction, with what was run before among them; all that there are where none are named.
///
/// # Errors
/// Where one fails.
pub async fn migrate_in(tx: &mut Tx, only: Option<&BTreeSet<i64>>) -> Result<(), MigrateError> {
    let all = match tx {
        Tx::Sqlite(_) => &MIGRATORS.0,
        Tx::Postgres(_) => &MIGRATORS.1,
    };
    let chosen: Vec<Migration> = all.iter().filter(|m| only.is_none_or(|only| only.contains(&m.version))).cloned().collect();
    let migrator = Migrator::with_migrations(chosen);
    match tx {
        Tx::Sqlite(tx) => migrator.run(&mut **tx).await,
        Tx::Postgres(tx) => migrator.run(&mut **tx).await,
    }
}

impl Db {
    /// Brings the schema up to this program's version. Safe from several processes at once: PostgreSQL's is locked by
    /// sqlx, SQLite's by its file.
    ///
    /// # Errors
    /// Where a migration fails, or the schema is of a newer or an altered program.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        match self {
            Self::Sqlite { write, .. } => MIGRATORS.0.run(write).await,
            Self::Postgres(pool) => MIGRATORS.1.run(pool).await,
        }
    }

    /// How many migrations are still to be run.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn pending(&self) -> Result<Pending, sqlx::Error> {
        let known = match self {
            Self::Sqlite { .. } => MIGRATORS.0.iter().count(),
            Self::Postgres(_) => MIGRATORS.1.iter().count(),
        };
        let mut db = self.read().await?;
        let applied: Result<(i64,), _> = crate::sql!(one as (i64,), &mut db, "SELECT count(*) FROM _sqlx_migrations WHERE success");
        Ok(Pending(applied.map_or(known, |(n,)| known.saturating_sub(usize::try_from(n).unwrap_or(0)))))
    }
}
