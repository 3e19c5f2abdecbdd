//! Plans of a session whose time zone is not UTC. Functions read the zone from the plan's options; casts that the planner
//! puts in by itself know nothing of it, so they are given to the function that does.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, ScalarUDF, TryCast, lit};
use datafusion::optimizer::AnalyzerRule;

use crate::error::{Result, SqlError};
use crate::types::SqlType;
use crate::zone::Zone;

/// Returns a planner whose plans show and read instants in a zone.
pub fn zoned(planner: &SessionState, zone: Zone) -> Result<SessionState> {
    let function = |name: &str| {
        let found = planner.scalar_functions().get(name).cloned();
        found.ok_or_else(|| SqlError::internal(format!("{name} is missing")))
    };
    let rule = ZonedCasts {
        cast: function("$cast")?,
        try_cast: function("$try_cast")?,
    };
    // Not built anew: a builder would let functions of the planner take the place of ours.
    let mut state = planner.clone();
    state.config_mut().options_mut().execution.time_zone = Some(zone.to_string());
    state.add_analyzer_rule(Arc::new(rule));
    // From here on functions see these options.
    state.mark_start_execution();
    Ok(state)
}

#[derive(Debug)]
struct ZonedCasts {
    cast: Arc<ScalarUDF>,
    try_cast: Arc<ScalarUDF>,
}

impl AnalyzerRule for ZonedCasts {
    fn name(&self) -> &str {
        "zoned_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| self.rewrite(expr, &schema))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        });
        Ok(rewritten?.data)
    }
}

impl ZonedCasts {
    fn rewrite(&self, expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
        let (function, inner, to) = match &expr {
            Expr::Cast(Cast { expr, field }) => (&self.cast, expr, field.data_type()),
            Expr::TryCast(TryCast { expr, field }) => (&self.try_cast, expr, field.data_type()),
            _ => return Ok(Transformed::no(expr)),
        };
        // Columns of an outer query have a type of their own, which is not in this schema.
        let Ok(from) = inner.get_type(schema) else {
            return Ok(Transformed::no(expr));
        };
        let instant = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, Some(_)));
        if instant(&from) == instant(to) {
            return Ok(Transformed::no(expr));
        }
        let sql_type = SqlType::from_arrow(to);
        let name = sql_type.to_string();
        let arguments = vec![inner.as_ref().clone(), lit(ScalarValue::Utf8(Some(name)))];
        let zoned = function.call(arguments);
        // The planner may have wanted another unit than ours.
        Ok(Transformed::yes(match sql_type.arrow() == *to {
            true => zoned,
            false => Expr::Cast(Cast::new(Box::new(zoned), to.clone())),
        }))
    }
}
