//! One connection to the server, with the statements that it knows.
//!
//! [`crate::line`] dials them; [`crate::tx`] talks through them. What is sent is answered in order,
//! so that many statements may be on their way at once. It never waits for the network with a lock
//! held.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use legwork_core::CancellationToken;
use postgres_types::ToSql;
use tokio_postgres::{Client, Row, Statement};
use tokio_util::sync::DropGuard;

use crate::bind::Param;
use crate::statement::{Sql, in_schema};

/// A connection.
pub(crate) struct Conn {
    pub(crate) client: Client,
    schema: Arc<str>,
    /// Behind a transaction pooler statements have no names and settings hold for one transaction.
    pub(crate) pooled: bool,
    statements: Mutex<HashMap<Sql, Statement>>,
    /// Tells whoever moves the connection that nobody uses it any more.
    _in_use: DropGuard,
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("pooled", &self.pooled).finish_non_exhaustive()
    }
}

/// How a statement is sent.
enum Form {
    Named(Statement),
    Unnamed(String),
}

impl Conn {
    /// Makes a connection; `ended` is cancelled when it is dropped.
    pub(crate) fn new(
        client: Client,
        schema: Arc<str>,
        pooled: bool,
        ended: CancellationToken,
    ) -> Self {
        let statements = Mutex::new(HashMap::new());
        Self { client, schema, pooled, statements, _in_use: ended.drop_guard() }
    }

    /// Makes a statement ready to be sent; asks the server only the first time.
    async fn form(&self, sql: Sql, params: &[Param]) -> Result<Form, tokio_postgres::Error> {
        if self.pooled {
            return Ok(Form::Unnamed(in_schema(sql.0, &self.schema).into_owned()));
        }
        let known = self.known(sql);
        if let Some(statement) = known {
            return Ok(Form::Named(statement));
        }
        let types: Vec<_> = params.iter().map(|param| param.kind.clone()).collect();
        let text = in_schema(sql.0, &self.schema);
        let statement = self.client.prepare_typed(&text, &types).await?;
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.insert(sql, statement.clone());
        Ok(Form::Named(statement))
    }

    fn known(&self, sql: Sql) -> Option<Statement> {
        let statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.get(&sql).cloned()
    }

    /// Prepares the statement, so that the next [`rows`](Self::rows) is sent when it is polled.
    pub(crate) async fn ready(
        &self,
        sql: Sql,
        params: &[Param],
    ) -> Result<(), tokio_postgres::Error> {
        self.form(sql, params).await.map(drop)
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn rows(
        &self,
        sql: Sql,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        match self.form(sql, &params).await? {
            Form::Named(statement) => {
                let values: Vec<&(dyn ToSql + Sync)> =
                    params.iter().map(|param| &*param.value as &(dyn ToSql + Sync)).collect();
                self.client.query(&statement, &values).await
            }
            Form::Unnamed(text) => {
                let values: Vec<_> = params
                    .iter()
                    .map(|param| (&*param.value as &(dyn ToSql + Sync), param.kind.clone()))
                    .collect();
                self.client.query_typed(&text, &values).await
            }
        }
    }

    /// Runs a statement and returns how many rows it changed.
    pub(crate) async fn execute(
        &self,
        sql: Sql,
        params: Vec<Param>,
    ) -> Result<u64, tokio_postgres::Error> {
        match self.form(sql, &params).await? {
            Form::Named(statement) => {
                let values: Vec<&(dyn ToSql + Sync)> =
                    params.iter().map(|param| &*param.value as &(dyn ToSql + Sync)).collect();
                self.client.execute(&statement, &values).await
            }
            Form::Unnamed(text) => {
                let values: Vec<_> = params
                    .iter()
                    .map(|param| (&*param.value as &(dyn ToSql + Sync), param.kind.clone()))
                    .collect();
                self.client.execute_typed(&text, &values).await
            }
        }
    }

    /// Runs a text of several statements in the schema of the user.
    pub(crate) async fn batch(&self, text: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(&in_schema(text, &self.schema)).await
    }
}
