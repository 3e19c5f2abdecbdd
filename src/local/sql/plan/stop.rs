//! Plans that stop when they are asked to. DataFusion's operators give way each time they take rows from below; a join
//! may make any number of rows, or look at any number of pairs in vain, out of what it has taken once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::error::SqlError;

/// Stops the plan that it was made with when it is dropped.
#[derive(Debug)]
pub struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub fn stoppable(plan: Arc<dyn ExecutionPlan>) -> DfResult<(Arc<dyn ExecutionPlan>, Stop)> {
    let stopped = Arc::new(AtomicBool::new(false));
    let plan = plan.transform_up(|node| {
        if !node.name().ends_with("JoinExec") {
            return Ok(Transformed::no(node));
        }
        let node = match node.downcast_ref::<NestedLoopJoinExec>() {
            Some(join) => checking(join, &stopped)?,
            None => node,
        };
        Ok(Transformed::yes(
            Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>
        ))
    })?;
    Ok((plan.data, Stop(stopped)))
}

/// A nested loop ends by no other means than its condition's error.
fn checking(join: &NestedLoopJoinExec, stopped: &Arc<AtomicBool>) -> DfResult<Arc<dyn ExecutionPlan>> {
    let filter = join.filter().map(|filter| {
        let condition = Arc::new(Checked {
            condition: filter.expression().clone(),
            stopped: stopped.clone(),
        });
        JoinFilter::new(condition, filter.column_indices().to_vec(), filter.schema().clone())
    });
    let join = NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?;
    Ok(Arc::new(join))
}

/// A condition that looks whether anybody still wants to know.
#[derive(Debug)]
struct Checked {
    condition: Arc<dyn PhysicalExpr>,
    stopped: Arc<AtomicBool>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition)
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl PhysicalExpr for Checked {
    fn data_type(&self, schema: &Schema) -> DfResult<DataType> {
        self.condition.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> DfResult<bool> {
        self.condition.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DfResult<ColumnarValue> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(SqlError::internal("nobody waits for this join").into());
        }
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> DfResult<Arc<dyn PhysicalExpr>> {
        let condition = children.into_iter().next().unwrap_or_else(|| self.condition.clone());
        let stopped = self.stopped.clone();
        Ok(Arc::new(Self { condition, stopped }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    #[test]
    fn a_nested_loop_ends_when_it_is_stopped() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let context = SessionContext::new();
        let rows = "(select unnest(range(0, 100000)) as n)";
        let sql = format!("select count(*) from {rows} as a join {rows} as b on a.n * b.n = -1");
        let plan = runtime.block_on(async { context.sql(&sql).await?.create_physical_plan().await });
        let (plan, stop) = stoppable(plan.unwrap()).unwrap();
        let counting = runtime.spawn(datafusion::physical_plan::collect(plan, context.task_ctx()));
        drop(stop);
        let error = runtime.block_on(counting).unwrap().unwrap_err();
        assert!(error.to_string().contains("nobody waits"), "{error}");
    }
}
