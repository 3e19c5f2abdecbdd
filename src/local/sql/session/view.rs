//! Views: bound ones keep the identity of what they name, late-binding ones its name.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{ObjectName, Query, visit_relations_mut};

use super::ddl::{check_unique, numbered};
use super::{Outcome, Session};
use crate::catalog::{Body, Oid, Relation, View};
use crate::error::{Result, SqlError};
use crate::plan::relations_of;
use crate::rewrite::{BY_OID, name_from, quoted};
use crate::types::SqlType;
use crate::utility::{CreateView, DefinedColumn};

impl Session {
    pub(super) async fn create_view(&mut self, create: CreateView) -> Result<Outcome> {
        let CreateView {
            name,
            columns: names,
            or_replace,
            query,
            late_binding,
            statement,
        } = create;
        let schema = self.target_schema(&name, false)?;
        let existing = self.tx()?.work.relation(schema.oid, &name.name).cloned();
        if let Some(existing) = &existing {
            if !or_replace {
                return Err(SqlError::new(
                    "42P07",
                    format!("Relation \"{}\" already exists", name.name),
                ));
            }
            if existing.view().is_none() {
                return Err(SqlError::new("42809", format!("\"{}\" is not a view", name.name)));
            }
        }
        let parsed = crate::parse::query_of(&query)?;
        let (columns, bound, depends_on) = if late_binding {
            for relation in relations_of(&parsed) {
                let is_cte = relation.schema.is_none();
                if is_cte && self.find_relation(&relation)?.is_some() {
                    return Err(SqlError::new(
                        "42601",
                        format!(
                            "relation \"{relation}\" must be qualified with its schema in a view with no schema binding"
                        ),
                    ));
                }
            }
            (Vec::new(), None, Vec::new())
        } else {
            let resolved = self.resolve(&parsed).await?;
            if let Some(external) = resolved.external.first() {
                return Err(SqlError::new("0A000", "External tables are not supported in views")
                    .with_detail(format!("external table {external}"))
                    .with_hint("Create the view WITH NO SCHEMA BINDING."));
            }
            let planned = self.plan(parsed.clone(), &[]).await?;
            let mut columns = Vec::new();
            for (index, (field, sql_type)) in planned.fields.iter().enumerate() {
                let name = names.get(index).unwrap_or(field).clone();
                columns.push(DefinedColumn {
                    name,
                    sql_type: *sql_type,
                    not_null: false,
                    default: None,
                    identity: None,
                    encoding: None,
                });
            }
            let columns = numbered(columns);
            check_unique(&columns)?;
            let (bound, depends_on) = self.bind(parsed, &planned.fields)?;
            (columns, Some(bound), depends_on)
        };
        if let Some(existing) = existing.as_ref().filter(|_| !late_binding && or_replace)
            && existing.columns.len() > columns.len()
            && !self.tx()?.work.dependents(existing.oid).is_empty()
        {
            return Err(SqlError::new("42P16", "cannot drop columns from view"));
        }
        let oid = existing
            .as_ref()
            .map_or_else(|| self.engine.new_oid(), |existing| existing.oid);
        let relation = Relation {
            oid,
            schema: schema.oid,
            name: name.name,
            owner: existing.as_ref().map_or(self.user, |existing| existing.owner),
            columns,
            body: Body::View(View {
                definition: query.text.clone(),
                statement,
                bound,
                depends_on,
            }),
            comment: None,
            grants: existing.map(|existing| existing.grants.clone()).unwrap_or_default(),
            created: self.now.timestamp_millis() as f64 / 1000.0,
            temporary: schema.temporary,
        };
        self.work()?.put_relation(relation);
        Ok(Outcome::command("CREATE VIEW"))
    }

    /// Names a query's relations by OID, so that renaming them later changes nothing.
    fn bind(&self, mut query: Box<Query>, fields: &[(String, SqlType)]) -> Result<(String, Vec<Oid>)> {
        let mut used = BTreeSet::new();
        let mut failure = None;
        let original =
            |object: &ObjectName| -> Result<Option<Arc<Relation>>> { self.find_relation(&name_from(object)?) };
        let ctes = cte_names(&query);
        let _ = visit_relations_mut(query.as_mut(), |object| {
            match original(object) {
                Ok(Some(relation)) if !(object.0.len() == 1 && ctes.contains(&relation.name)) => {
                    used.insert(relation.oid);
                    *object = ObjectName::from(vec![quoted(BY_OID), quoted(&relation.oid.to_string())]);
                }
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
        match failure {
            Some(error) => Err(error),
            None => {
                // A wildcard means the columns of today, also when a table grows.
                let names: BTreeSet<&String> = fields.iter().map(|(name, _)| name).collect();
                let text = query.to_string();
                let text = if text.contains('*') && names.len() == fields.len() {
                    let list: Vec<String> = fields.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                    format!("select {} from ({text}) as \"$view\"", list.join(", "))
                } else {
                    text
                };
                Ok((text, used.into_iter().collect()))
            }
        }
    }
}

fn cte_names(query: &Query) -> BTreeSet<String> {
    query
        .with
        .iter()
        .flat_map(|with| &with.cte_tables)
        .map(|cte| cte.alias.name.value.clone())
        .collect()
}
