//! From a query's syntax tree to rows: names are looked up (in the data catalog too, which takes time), the tree is
//! rewritten, planned and run.

mod common;
mod documents;
mod stop;
mod texts;
mod zoned;

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Result as DfResult, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream, execute_stream_partitioned};
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{Expr, Query, Statement, visit_relations};

use crate::cast::{Mode, cast, shown_in};
use crate::catalog::{Body, Relation};
use crate::error::{Result, SqlError};
use crate::external::{PATH, SIZE};
use crate::functions::documents::Comparisons;
use crate::functions::{self, OperatorRules};
use crate::native::{NativeTable, ROW, SEGMENT};
use crate::rewrite::{self, BY_OID, Found, Names, name_from, output_name};
use crate::session::{Running, Session, Threads};
use crate::system;
use crate::types::SqlType;
use crate::utility::Name;
use crate::zone::Zone;
use common::{Common, Types};
pub use stop::Stop;
pub use zoned::zoned;

/// The schema name under which DML reads a table with its hidden columns, by OID.
pub const WITH_ROWS: &str = "$rows";

/// A planned query: what it returns, and how to run it.
#[derive(Clone, Debug)]
pub struct Planned {
    pub plan: LogicalPlan,
    pub fields: Vec<(String, SqlType)>,
}

/// What the names of one query stand for.
#[derive(Default)]
pub struct Resolved {
    found: BTreeMap<String, Result<Found>>,
    tables: HashMap<String, Arc<dyn TableSource>>,
    /// Native relations and views that were used, for dependencies.
    pub used: Vec<Arc<Relation>>,
    /// External tables that were used, which a bound view may not name.
    pub external: Vec<String>,
}

impl Session {
    /// Plans a query without running it.
    pub(crate) async fn plan(&self, mut query: Box<Query>, parameters: &[Expr]) -> Result<Planned> {
        let resolved = self.resolve(&query).await?;
        rewrite::query(
            &View {
                session: self,
                resolved: &resolved,
                parameters,
            },
            &mut query,
        )?;
        self.plan_rewritten(query, &resolved)
    }

    /// Plans a query while another is being planned. The box ends the recursion of types.
    pub(crate) fn plan_inside(
        &self,
        query: Box<Query>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Planned>> + Send + '_>> {
        Box::pin(self.plan(query, &[]))
    }

    pub(crate) fn plan_rewritten(&self, query: Box<Query>, resolved: &Resolved) -> Result<Planned> {
        let comparisons = Comparisons::of(|name| self.planner.scalar_functions().get(name))?;
        let mut types = Types::new();
        let plan = loop {
            let (plan, revised) = self.plan_with(types, query.clone(), resolved, &comparisons)?;
            match revised {
                Some(revised) => types = revised,
                None => break plan?,
            }
        };
        let plan = documents::typed(plan, &comparisons)?;
        let fields = plan
            .schema()
            .fields()
            .iter()
            .map(|field| (output_name(field.name()).to_string(), result_type(field)))
            .collect();
        Ok(Planned { plan, fields })
    }

    /// Plans with what is known of the types of set operations. Returns what is known then, if that is more.
    fn plan_with(
        &self,
        types: Types,
        query: Box<Query>,
        resolved: &Resolved,
        comparisons: &Comparisons,
    ) -> Result<(Result<LogicalPlan>, Option<Types>)> {
        let common = Common::new(types);
        let mut functions = system::functions::of(self);
        functions.insert(rewrite::COMMON.into(), common.function());
        let context = Context {
            state: &self.planner,
            tables: &resolved.tables,
            planners: expr_planners(&self.planner, comparisons),
            functions,
        };
        let options = ParserOptions::from(&self.planner.config_options().sql_parser);
        let plan = SqlToRel::new_with_options(&context, options).sql_statement_to_plan(Statement::Query(query));
        Ok((plan.map_err(SqlError::from), common.revised()?))
    }

    /// Runs a plan and returns its rows in the types that were promised.
    pub(crate) async fn collect(&self, planned: &Planned) -> Result<Vec<RecordBatch>> {
        let mut running = self.running(planned).await?;
        let mut batches = Vec::new();
        while let Some(batch) = running.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// Starts a query, whose rows will come in the types that were promised.
    pub(crate) async fn running(&self, planned: &Planned) -> Result<Running> {
        let threads = self.threads()?;
        let (plan, stop) = self.physical(planned, &threads).await?;
        let context = self.planner.task_ctx();
        let columns = Promised::new(&planned.fields, self.zone);
        Ok(Running::start(plan, context, columns, (stop, threads)))
    }

    /// Starts a query as one stream, or as the parallel parts that it has when no order between them is needed. They have
    /// to be taken on the session's threads, and end with what stops them.
    pub(crate) async fn parts(
        &self,
        planned: &Planned,
        parallel: bool,
    ) -> Result<(Vec<SendableRecordBatchStream>, Stop)> {
        let threads = self.threads()?;
        let (plan, stop) = self.physical(planned, &threads).await?;
        let context = self.planner.task_ctx();
        let _on_threads = threads.handle().enter();
        let parts = match parallel {
            true => execute_stream_partitioned(plan, context)?,
            false => vec![execute_stream(plan, context)?],
        };
        Ok((parts, stop))
    }

    async fn physical(&self, planned: &Planned, threads: &Threads) -> Result<(Arc<dyn ExecutionPlan>, Stop)> {
        let (state, plan) = (self.planner.clone(), planned.plan.clone());
        let plans = async move {
            let state = state.as_ref();
            let optimized = state.optimize(&plan)?;
            let physical = state.query_planner().create_physical_plan(&optimized, state).await?;
            Ok(stop::stoppable(texts::settled(physical)?)?)
        };
        threads.run(plans).await
    }

    /// Looks up every relation that a query names, and those that its views name.
    pub(crate) async fn resolve(&self, query: &Query) -> Result<Resolved> {
        let mut resolved = Resolved::default();
        let mut wanted = relations_of(query);
        while let Some(name) = wanted.pop() {
            let key = name.to_string();
            if resolved.found.contains_key(&key) {
                continue;
            }
            let found = self.look_up(&name, &mut resolved).await;
            if let Ok(Found::View { query, .. }) = &found {
                wanted.extend(relations_of(query));
            }
            resolved.found.insert(key, found);
        }
        Ok(resolved)
    }

    async fn look_up(&self, name: &Name, resolved: &mut Resolved) -> Result<Found> {
        if let Some(schema @ (BY_OID | WITH_ROWS)) = name.schema.as_deref() {
            let oid = name.name.parse().map_err(SqlError::internal)?;
            let relation = self
                .tx()?
                .work
                .relations
                .get(&oid)
                .cloned()
                .ok_or_else(|| SqlError::no_relation(name))?;
            return self.open_relation(relation, schema == WITH_ROWS, resolved);
        }
        if let Some(found) = self.find_relation(name)? {
            return self.open_relation(found, false, resolved);
        }
        let system_schema = match name.schema.as_deref() {
            None | Some("pg_catalog") => Some("pg_catalog"),
            Some("information_schema") => Some("information_schema"),
            Some(_) => None,
        };
        if let Some(schema) = system_schema
            && let Some(provider) = system::table(self, schema, &name.name).await?
        {
            return Ok(resolved.add(&format!("{schema}.{}", name.name), provider));
        }
        if let Some((schema, source)) = self.external_schema(name)? {
            let table = self
                .engine
                .lake
                .table(&source.role, &source.database, &name.name)
                .await?;
            let Some(table) = table else {
                return Err(SqlError::no_relation(name));
            };
            resolved.external.push(name.to_string());
            let provider = crate::external::provider(self.engine.lake.clone(), &source, table).await?;
            return Ok(resolved.add(&format!("{schema}.{}", name.name), provider));
        }
        if let Some(schema) = &name.schema
            && self.find_schema(name.database.as_deref(), schema)?.is_none()
            && system_schema.is_none()
        {
            return Err(SqlError::no_schema(schema));
        }
        Err(SqlError::no_relation(name))
    }

    fn open_relation(&self, relation: Arc<Relation>, with_rows: bool, resolved: &mut Resolved) -> Result<Found> {
        resolved.used.push(relation.clone());
        match &relation.body {
            Body::Table(_) => {
                let key = format!("{}{}", relation.oid, if with_rows { "+rows" } else { "" });
                let provider = NativeTable::new(relation, self.engine.store.segments(), with_rows);
                Ok(resolved.add(&key, Arc::new(provider)))
            }
            Body::View(view) => {
                let text = view.bound.as_ref().unwrap_or(&view.definition);
                let query = crate::parse::query(text)?;
                // A bound view keeps the columns it was created with.
                let columns = if view.bound.is_some() {
                    relation.columns.iter().map(|column| column.name.clone()).collect()
                } else {
                    Vec::new()
                };
                Ok(Found::View { query, columns })
            }
        }
    }
}

impl Resolved {
    fn add(&mut self, key: &str, provider: Arc<dyn TableProvider>) -> Found {
        let names = provider
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect::<Vec<_>>();
        let system = key.starts_with("pg_catalog.");
        let (hidden, columns) = names
            .into_iter()
            .partition(|name| is_hidden(name) || system && name == system::TABLE_OID);
        self.tables.insert(key.to_string(), provider_as_source(provider));
        Found::Table {
            key: key.to_string(),
            columns,
            hidden,
        }
    }
}

/// Columns that a wildcard leaves out.
fn is_hidden(column: &str) -> bool {
    matches!(column, SEGMENT | ROW | PATH | SIZE)
}

/// Returns the names in FROM. What is none of a relation is judged where it stands.
pub fn relations_of(query: &Query) -> Vec<Name> {
    let mut names = Vec::new();
    let _ = visit_relations(query, |object| {
        names.extend(name_from(object));
        ControlFlow::<()>::Continue(())
    });
    names
}

/// Answers the rewriter from what was looked up.
pub struct View<'a> {
    pub session: &'a Session,
    pub resolved: &'a Resolved,
    pub parameters: &'a [Expr],
}

impl Names for View<'_> {
    fn relation(&self, name: &Name) -> Result<Found> {
        match self.resolved.found.get(&name.to_string()) {
            Some(found) => found.clone(),
            None => Err(SqlError::no_relation(name)),
        }
    }

    fn session_value(&self, name: &str) -> Option<Expr> {
        self.session.session_value(name)
    }

    fn parameter(&self, number: usize) -> Result<Expr> {
        let value = number.checked_sub(1).and_then(|index| self.parameters.get(index));
        value
            .cloned()
            .ok_or_else(|| SqlError::new("42P02", format!("there is no parameter ${number}")))
    }
}

fn expr_planners(state: &SessionState, comparisons: &Comparisons) -> Vec<Arc<dyn ExprPlanner>> {
    let functions = state.scalar_functions().values().cloned();
    std::iter::once(OperatorRules::shared(functions, comparisons.clone()))
        .chain(state.expr_planners().iter().cloned())
        .collect()
}

/// What the planner asks while it turns syntax into a plan.
struct Context<'a> {
    state: &'a SessionState,
    tables: &'a HashMap<String, Arc<dyn TableSource>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    functions: HashMap<String, Arc<ScalarUDF>>,
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        self.tables
            .get(name.table())
            .cloned()
            .ok_or_else(|| SqlError::no_relation(name.table()).into())
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> DfResult<Arc<dyn TableSource>> {
        let table = datafusion::datasource::cte_worktable::CteWorkTable::new(name, schema);
        Ok(provider_as_source(Arc::new(table)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions
            .get(name)
            .or_else(|| self.state.scalar_functions().get(name))
            .cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        let found = |name| self.state.window_functions().get(name).cloned();
        match name.strip_prefix('$') {
            Some(name) => found(name).map(functions::window::whole),
            None => found(name),
        }
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

/// A bare null is text to a client.
fn result_type(field: &Field) -> SqlType {
    SqlType::of_field(field)
}

pub fn promised_schema(fields: &[(String, SqlType)]) -> SchemaRef {
    Arc::new(Schema::new(
        fields
            .iter()
            .map(|(name, sql_type)| sql_type.field(name, true))
            .collect::<Vec<_>>(),
    ))
}

/// The columns that a client was promised.
pub struct Promised {
    types: Vec<SqlType>,
    schema: SchemaRef,
    /// Where instants are shown.
    zone: Zone,
}

impl Promised {
    pub fn new(fields: &[(String, SqlType)], zone: Zone) -> Self {
        let shown = |field: &Arc<Field>| match field.data_type() {
            DataType::Timestamp(unit, Some(_)) => {
                let data_type = DataType::Timestamp(*unit, Some(zone.to_string().into()));
                Arc::new(field.as_ref().clone().with_data_type(data_type))
            }
            _ => field.clone(),
        };
        Self {
            types: fields.iter().map(|(_, sql_type)| *sql_type).collect(),
            schema: Arc::new(Schema::new(
                promised_schema(fields).fields().iter().map(shown).collect::<Vec<_>>(),
            )),
            zone,
        }
    }

    /// Brings a batch of the plan into the promised types.
    pub fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch
            .columns()
            .iter()
            .zip(&self.types)
            .map(|(column, sql_type)| Ok(shown_in(self.zone, &conform_column(column, *sql_type)?)))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            self.schema.clone(),
            columns,
            &options,
        )?)
    }
}

pub fn conform_column(column: &ArrayRef, sql_type: SqlType) -> Result<ArrayRef> {
    if *column.data_type() == sql_type.arrow() {
        return Ok(column.clone());
    }
    cast(column, sql_type, Mode::Explicit)
}
