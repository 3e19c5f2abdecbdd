//! PREPARE, EXECUTE and DEALLOCATE: statements that a session keeps by name. Those of the wire protocol are kept there.

use datafusion::sql::sqlparser::ast::Expr;

use super::Session;
use crate::error::{Result, SqlError};
use crate::lexer::Source;
use crate::rewrite::{null, typed};
use crate::types::SqlType;
use crate::utility::{self, Command};
use crate::value::Cell;

#[derive(Clone, Debug)]
pub struct Prepared {
    types: Vec<SqlType>,
    source: Source,
}

impl Session {
    pub(super) fn prepare(&mut self, name: String, types: Vec<SqlType>, source: Source) -> Result<()> {
        if self.prepared.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(SqlError::new("42P05", message));
        }
        match utility::parse(&source)? {
            Command::Query(_) => drop(self.prepared.insert(name, Prepared { types, source })),
            _ => {
                return Err(SqlError::syntax(
                    "PREPARE is for queries and statements that change rows",
                ));
            }
        }
        Ok(())
    }

    /// A name that is not known may be one of the wire protocol's.
    pub(super) fn deallocate(&mut self, name: Option<&str>) {
        match name {
            Some(name) => drop(self.prepared.remove(name)),
            None => self.prepared.clear(),
        }
    }

    /// Returns the statement of a name with the values that EXECUTE gives it.
    pub(super) async fn executed(
        &self,
        name: &str,
        arguments: Option<&Source>,
        parameters: &[Expr],
    ) -> Result<(Command, Vec<Expr>)> {
        let found = self.prepared.get(name);
        let prepared =
            found.ok_or_else(|| SqlError::new("26000", format!("prepared statement \"{name}\" does not exist")))?;
        let values = match arguments {
            Some(arguments) => self.values_of(arguments, parameters).await?,
            None => Vec::new(),
        };
        if !prepared.types.is_empty() && prepared.types.len() != values.len() {
            return Err(
                SqlError::syntax(format!("wrong number of parameters for prepared statement \"{name}\"")).with_detail(
                    format!("Expected {} parameters but got {}.", prepared.types.len(), values.len()),
                ),
            );
        }
        let values = values.into_iter().enumerate().map(|(index, (value, sql_type))| {
            let sql_type = prepared.types.get(index).copied().unwrap_or(sql_type);
            value.map_or_else(null, |value| typed(&value.text(), &sql_type.to_string()))
        });
        Ok((utility::parse(&prepared.source)?, values.collect()))
    }

    /// Evaluates a list of expressions.
    async fn values_of(&self, list: &Source, parameters: &[Expr]) -> Result<Vec<(Option<Cell>, SqlType)>> {
        let query = crate::parse::query(&format!("select {}", list.text))?;
        let planned = self.plan(query, parameters).await?;
        let batches = self.collect(&planned).await?;
        let batch = batches
            .first()
            .filter(|batch| batch.num_rows() == 1)
            .ok_or_else(|| SqlError::syntax("EXECUTE takes values"))?;
        let types = planned.fields.iter().map(|(_, sql_type)| *sql_type);
        let cells = batch.columns().iter().map(|column| crate::value::cell(column, 0));
        Ok(cells.zip(types).collect())
    }
}
