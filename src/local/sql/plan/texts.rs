//! Text is read as views into the pages of its file, which is fast to group and to compare. Where rows wait, a view that
//! keeps a whole page for a few bytes costs what it does not show: so text that leaves a scan, a group or a join is copied
//! together, and what may have to write its rows out, a sort or the last stage of groups, has its text without views.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream, replace_children_if_necessary,
};
use futures::StreamExt;

/// Bytes that the pages of a column may have beyond twice those of its text.
const SLACK: usize = 16 << 10;

/// Keeps views of text from holding more memory than is counted.
pub fn settled(plan: Arc<dyn ExecutionPlan>) -> DfResult<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|node| {
        let schema = node.schema();
        if !schema.fields().iter().any(|field| is_view(field.data_type())) {
            return Ok(Transformed::no(node));
        }
        // These hand out rows whose text is still where it was read or grouped.
        if node.name() == "DataSourceExec" || node.name().ends_with("JoinExec") {
            let properties = node.properties().clone();
            return Ok(Transformed::yes(Texts::over(node, properties)));
        }
        if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            if is_first_of_two(aggregate) {
                // Keys are dealt out to the last stage as it takes them.
                let keys = aggregate.group_expr().expr().len();
                let ordered = *aggregate.input_order_mode() != InputOrderMode::Linear;
                return Ok(Transformed::yes(plain(node, |index| !ordered && index < keys)));
            }
            let properties = node.properties().clone();
            let grouped = grouped_plainly(aggregate)?.unwrap_or(node);
            return Ok(Transformed::yes(Texts::over(grouped, properties)));
        }
        // The first few rows are found without keeping the others, and a filter that they send down knows their type.
        let Some(sort) = node.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_none()) else {
            return Ok(Transformed::no(node));
        };
        let (input, properties) = (sort.input().clone(), node.properties().clone());
        let sorted = replace_children_if_necessary(node, vec![plain(input, |_| true)])?;
        Ok(Transformed::yes(Texts::over(sorted, properties)))
    })?;
    Ok(plan.data)
}

/// Groups that do not fit into memory are sorted and written out by the last stage, or by the only one, for which their
/// keys must not be views.
fn grouped_plainly(aggregate: &AggregateExec) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
    let alone = matches!(
        aggregate.mode(),
        AggregateMode::Single | AggregateMode::SinglePartitioned
    );
    // Rows that come in the order of their groups need not be kept.
    let ordered = *aggregate.input_order_mode() != InputOrderMode::Linear;
    if ordered && alone {
        return Ok(None);
    }
    let input = match ordered {
        true => aggregate.input().clone(),
        false => {
            let keys = plain_keys(aggregate, alone);
            plain(aggregate.input().clone(), |index| keys.contains(&index))
        }
    };
    let input_schema = match alone {
        true => input.schema(),
        false => aggregate.input_schema(),
    };
    let grouped = AggregateExec::try_new(
        *aggregate.mode(),
        aggregate.group_expr().clone(),
        aggregate.aggr_expr().to_vec(),
        aggregate.filter_expr().to_vec(),
        input,
        input_schema,
    )?;
    Ok(Some(Arc::new(grouped.with_limit_options(aggregate.limit_options()))))
}

/// Returns the columns that are keys of groups. What the only stage also computes with is left out: it keeps the type
/// that the computation was planned for.
fn plain_keys(aggregate: &AggregateExec, alone: bool) -> BTreeSet<usize> {
    let groups = || aggregate.group_expr().expr().iter().map(|(expr, _)| expr);
    let column = |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().map(Column::index);
    let mut keys: BTreeSet<usize> = groups().filter_map(column).collect();
    if alone {
        let aggregated = aggregate.aggr_expr().iter().flat_map(|of| {
            let all = of.all_expressions();
            all.args.into_iter().chain(all.order_by_exprs)
        });
        let filters = aggregate.filter_expr().iter().flatten().cloned();
        let computed = groups().filter(|expr| column(expr).is_none()).cloned();
        for expr in aggregated.chain(filters).chain(computed) {
            for used in collect_columns(&expr) {
                keys.remove(&used.index());
            }
        }
    }
    keys
}

fn is_first_of_two(aggregate: &AggregateExec) -> bool {
    matches!(aggregate.mode(), AggregateMode::Partial | AggregateMode::PartialReduce)
}

/// Makes the chosen columns of views plain text.
fn plain(input: Arc<dyn ExecutionPlan>, chosen: impl Fn(usize) -> bool) -> Arc<dyn ExecutionPlan> {
    let properties = PlanProperties::new(
        EquivalenceProperties::new(without_views(&input.schema(), chosen)),
        input.properties().partitioning.clone(),
        input.properties().emission_type,
        input.properties().boundedness,
    );
    Texts::over(input, Arc::new(properties))
}

fn is_view(data_type: &DataType) -> bool {
    *data_type == DataType::Utf8View
}

fn without_views(schema: &Schema, chosen: impl Fn(usize) -> bool) -> SchemaRef {
    let fields = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| match field.data_type() {
            DataType::Utf8View if chosen(index) => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
            _ => field.clone(),
        });
    Arc::new(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

/// Passes rows on with their text as the properties' schema has it, and compact where it is views.
#[derive(Debug)]
struct Texts {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl Texts {
    fn over(input: Arc<dyn ExecutionPlan>, properties: Arc<PlanProperties>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { input, properties })
    }
}

impl DisplayAs for Texts {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Texts {
    fn name(&self) -> &str {
        "Texts"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().unwrap_or_else(|| self.input.clone());
        Ok(Self::over(input, self.properties.clone()))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let schema = self.schema();
        let batches = {
            let schema = schema.clone();
            self.input
                .execute(partition, context)?
                .map(move |batch| retyped(&batch?, &schema))
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

fn retyped(batch: &RecordBatch, schema: &SchemaRef) -> DfResult<RecordBatch> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(match column.as_string_view_opt() {
            _ if column.data_type() != field.data_type() => cast(column, field.data_type())?,
            Some(text) if is_wasteful(text) => Arc::new(text.gc()) as ArrayRef,
            _ => column.clone(),
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

fn is_wasteful(text: &StringViewArray) -> bool {
    let held: usize = text.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    held > SLACK && held > 2 * text.total_buffer_bytes_used() + SLACK
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn long_texts() -> RecordBatch {
        let all = StringViewArray::from_iter_values((0..1000).map(|n| format!("{n:0>100}")));
        let schema = Arc::new(Schema::new(vec![Field::new("t", DataType::Utf8View, true)]));
        RecordBatch::try_new(schema, vec![Arc::new(all)]).unwrap()
    }

    #[test]
    fn a_little_text_does_not_keep_a_page() {
        let whole = long_texts();
        let kept = retyped(&whole, &whole.schema()).unwrap();
        assert_eq!(kept.get_array_memory_size(), whole.get_array_memory_size());
        let few = whole.slice(10, 20);
        let compact = retyped(&few, &few.schema()).unwrap();
        assert_eq!(compact, few);
        assert!(compact.get_array_memory_size() < whole.get_array_memory_size() / 10);
    }

    #[test]
    fn a_sort_has_its_text_without_views() {
        let views = long_texts();
        let plain = retyped(&views, &without_views(&views.schema(), |_| true)).unwrap();
        assert_eq!(*plain.column(0).data_type(), DataType::Utf8);
        assert_eq!(retyped(&plain, &views.schema()).unwrap(), views);
    }
}
