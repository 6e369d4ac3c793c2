use sqlx::migrate::{MigrateError, Migrator};

use super::Db;

/// Both folders of migrations, embedded; the same file names in each.
pub static MIGRATORS: (Migrator, Migrator) = (sqlx::migrate!("migrations/sqlite"), sqlx::migrate!("migrations/postgres"));

/// How many migrations the database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending(pub usize);

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
