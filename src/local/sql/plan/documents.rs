//! Plans in which documents are compared, sorted, grouped or mixed with other values. The planner would take them for
//! bytes; here their keys are put in their places, other values become documents beside them, and what has no meaning for
//! documents is refused.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as DfResult};
use datafusion::functions_aggregate::min_max::min_udaf;
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, BinaryExpr, InList, InSubquery, Like, ScalarFunction, Sort, WindowFunction,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{grouping_set_to_exprlist, merge_schema};
use datafusion::logical_expr::{
    Aggregate, Case, Cast, Distinct, Expr, ExprSchemable, Join, JoinType, LogicalPlan, Operator, Projection,
    RecursiveQuery, Subquery, TryCast, Union,
};

use crate::functions::documents::{Comparisons, called, concerns, takes, unsupported};
use crate::types::SqlType;

/// Returns a plan that knows what documents are.
pub fn typed(plan: LogicalPlan, comparisons: &Comparisons) -> DfResult<LogicalPlan> {
    if !concerned(&plan)? {
        return Ok(plan);
    }
    let rules = Rules { comparisons };
    Ok(plan
        .transform_up_with_subqueries(|plan| rules.plan(plan).map(Transformed::yes))?
        .data)
}

/// Whether there are documents in a plan.
fn concerned(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= node
            .schema()
            .fields()
            .iter()
            .any(|field| is_document(field.data_type()));
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| {
                Ok(matches!(expr, Expr::ScalarFunction(function) if concerns(function.name(), &function.args)))
            })?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

fn is_document(data_type: &DataType) -> bool {
    SqlType::from_arrow(data_type) == SqlType::Super
}

struct Rules<'a> {
    comparisons: &'a Comparisons,
}

impl Rules<'_> {
    fn plan(&self, plan: LogicalPlan) -> DfResult<LogicalPlan> {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let plan = plan
            .map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| self.expr(expr, &schema))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })?
            .data
            .recompute_schema()?;
        match plan {
            LogicalPlan::Sort(mut sort) => {
                self.sort_by_keys(&mut sort.expr, &schema);
                Ok(LogicalPlan::Sort(sort))
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, &schema),
            LogicalPlan::Distinct(distinct) => self.distinct(distinct),
            LogicalPlan::Join(join) => self.join(join, &schema),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::RecursiveQuery(query) => recursive(query),
            plan => Ok(plan),
        }
    }

    fn document(&self, expr: Expr, schema: &dyn ExprSchema) -> Expr {
        let sql_type = type_of(&expr, schema);
        self.comparisons.document(expr, sql_type)
    }

    fn key(&self, expr: Expr, schema: &dyn ExprSchema) -> Expr {
        let sql_type = type_of(&expr, schema);
        self.comparisons.key(expr, sql_type)
    }

    fn compare(&self, op: Operator, left: Expr, right: Expr, schema: &DFSchema) -> DfResult<Expr> {
        let typed = |expr: Expr| {
            let sql_type = type_of(&expr, schema);
            (expr, sql_type)
        };
        let sides = self.comparisons.sides(op, typed(left), typed(right));
        let (left, right) = sides.ok_or_else(|| unsupported(format!("operator {op}")))?;
        Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
    }

    fn sort_by_keys(&self, sorts: &mut [Sort], schema: &DFSchema) {
        for sort in sorts.iter_mut().filter(|sort| is(&sort.expr, schema)) {
            sort.expr = self.key(std::mem::take(&mut sort.expr), schema);
        }
    }

    fn expr(&self, expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
        let is = |expr: &Expr| is(expr, schema);
        let any = |exprs: &[Expr]| exprs.iter().any(is);
        Ok(Transformed::yes(match expr {
            Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field })
                if is_document(field.data_type()) && !is(&expr) =>
            {
                self.document(*expr, schema)
            }
            Expr::Cast(Cast { ref expr, ref field }) | Expr::TryCast(TryCast { ref expr, ref field })
                if is(expr) && !is_document(field.data_type()) =>
            {
                return Err(unsupported("values of other types beside those").into());
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is(&left) || is(&right) => {
                self.compare(op, *left, *right, schema)?
            }
            Expr::InList(InList { expr, list, negated }) if is(&expr) || any(&list) => {
                let list = list.into_iter().map(|item| self.key(item, schema)).collect();
                Expr::InList(InList::new(Box::new(self.key(*expr, schema)), list, negated))
            }
            Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            }) if is(&expr) || is(&low) || is(&high) => {
                let least = self.compare(Operator::GtEq, expr.as_ref().clone(), *low, schema)?;
                let most = self.compare(Operator::LtEq, *expr, *high, schema)?;
                match negated {
                    true => !least.and(most),
                    false => least.and(most),
                }
            }
            Expr::Case(case) => self.case(case, schema),
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) if is(&expr) || first_is_document(&subquery) => Expr::InSubquery(InSubquery::new(
                Box::new(self.key(*expr, schema)),
                self.keys_of(subquery)?,
                negated,
            )),
            Expr::Like(Like {
                ref expr, ref pattern, ..
            })
            | Expr::SimilarTo(Like {
                ref expr, ref pattern, ..
            }) if is(expr) || is(pattern) => {
                return Err(unsupported("LIKE").into());
            }
            Expr::Not(ref inner)
            | Expr::IsTrue(ref inner)
            | Expr::IsFalse(ref inner)
            | Expr::IsUnknown(ref inner)
            | Expr::IsNotTrue(ref inner)
            | Expr::IsNotFalse(ref inner)
            | Expr::IsNotUnknown(ref inner)
                if is(inner) =>
            {
                return Err(unsupported("conditions").into());
            }
            Expr::ScalarFunction(function) if any(&function.args) => self.call(function, schema)?,
            Expr::AggregateFunction(function) => self.aggregated(function, schema)?,
            Expr::WindowFunction(function) => self.windowed(*function, schema)?,
            other => return Ok(Transformed::no(other)),
        }))
    }

    /// Beside a document, the other results are documents too.
    fn case(&self, case: Case, schema: &DFSchema) -> Expr {
        let Case {
            expr: mut operand,
            mut when_then_expr,
            mut else_expr,
        } = case;
        let compared = operand
            .iter()
            .chain(operand.iter().flat_map(|_| when_then_expr.iter().map(|(when, _)| when)));
        if compared.into_iter().any(|expr| is(expr, schema)) {
            let whens = when_then_expr.iter_mut().map(|(when, _)| when);
            for expr in operand.iter_mut().chain(whens) {
                **expr = self.key(std::mem::take(expr), schema);
            }
        }
        let mut results: Vec<&mut Box<Expr>> = when_then_expr.iter_mut().map(|(_, then)| then).collect();
        results.extend(else_expr.as_mut());
        if results.iter().any(|result| is(result, schema)) {
            for result in results {
                **result = self.document(std::mem::take(result), schema);
            }
        }
        Expr::Case(Case::new(operand, when_then_expr, else_expr))
    }

    fn call(&self, mut function: ScalarFunction, schema: &DFSchema) -> DfResult<Expr> {
        let name = function.name().to_string();
        if name == "coalesce" {
            function.args = function
                .args
                .into_iter()
                .map(|arg| self.document(arg, schema))
                .collect();
        } else if !takes(&name) {
            return Err(unsupported(called(&name)).into());
        }
        Ok(Expr::ScalarFunction(function))
    }

    fn aggregated(&self, mut function: AggregateFunction, schema: &DFSchema) -> DfResult<Expr> {
        let name = function.func.name().to_string();
        let params = &mut function.params;
        self.sort_by_keys(&mut params.order_by, schema);
        if params.args.iter().any(|arg| is(arg, schema)) {
            match name.as_str() {
                "count" if params.distinct => {
                    params.args = std::mem::take(&mut params.args)
                        .into_iter()
                        .map(|arg| self.key(arg, schema))
                        .collect();
                }
                "count" => {}
                _ => return Err(unsupported(aggregate_name(&name)).into()),
            }
        }
        Ok(Expr::AggregateFunction(function))
    }

    fn windowed(&self, mut function: WindowFunction, schema: &DFSchema) -> DfResult<Expr> {
        let name = function.fun.name().to_string();
        let params = &mut function.params;
        self.sort_by_keys(&mut params.order_by, schema);
        for expr in params.partition_by.iter_mut().filter(|expr| is(expr, schema)) {
            *expr = self.key(std::mem::take(expr), schema);
        }
        let passes_on = match name.as_str() {
            "count" => !params.distinct,
            "first_value" | "last_value" | "nth_value" => true,
            // Their default value would have to be a document too.
            "lag" | "lead" => params.args.len() < 3,
            _ => false,
        };
        if !passes_on && params.args.iter().any(|arg| is(arg, schema)) {
            return Err(unsupported(aggregate_name(&name)).into());
        }
        Ok(Expr::WindowFunction(Box::new(function)))
    }

    /// A subquery's one column by its keys.
    fn keys_of(&self, subquery: Subquery) -> DfResult<Subquery> {
        let Subquery {
            subquery: plan,
            outer_ref_columns,
            spans,
        } = subquery;
        let (qualifier, field) = plan.schema().qualified_field(0);
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let key = self.key(column, plan.schema().as_ref()).alias("$key");
        Ok(Subquery {
            subquery: Arc::new(LogicalPlan::Projection(Projection::try_new(vec![key], plan)?)),
            outer_ref_columns,
            spans,
        })
    }

    /// Groups by keys; what a group shows is one of its documents, the same every time.
    fn aggregate(&self, aggregate: Aggregate, schema: &DFSchema) -> DfResult<LogicalPlan> {
        let groups = grouping_set_to_exprlist(&aggregate.group_expr)?;
        if !groups.iter().any(|group| is(group, schema)) {
            return Ok(LogicalPlan::Aggregate(aggregate));
        }
        if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
            return Err(unsupported("several groupings").into());
        }
        let outputs: Vec<_> = aggregate
            .schema
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), field.name().clone()))
            .collect();
        let (mut keys, mut shown, mut columns) = (Vec::new(), aggregate.aggr_expr, Vec::new());
        for (index, group) in aggregate.group_expr.into_iter().enumerate() {
            let (qualifier, name) = outputs[index].clone();
            if !is(&group, schema) {
                columns.push(Expr::Column(Column::new(qualifier, name)));
                keys.push(group);
                continue;
            }
            let group = group.unalias();
            let (key, of_group) = (format!("$key{index}"), format!("$document{index}"));
            shown.push(min_udaf().call(vec![group.clone()]).alias(&of_group));
            keys.push(self.key(group, schema).alias(key));
            columns.push(Expr::Column(Column::from_name(of_group)).alias_qualified(qualifier, name));
        }
        let results = outputs.into_iter().skip(keys.len());
        columns.extend(results.map(|(qualifier, name)| Expr::Column(Column::new(qualifier, name))));
        let grouped = Aggregate::try_new(aggregate.input, keys, shown)?;
        Projection::try_new(columns, Arc::new(LogicalPlan::Aggregate(grouped))).map(LogicalPlan::Projection)
    }

    fn distinct(&self, distinct: Distinct) -> DfResult<LogicalPlan> {
        let input = match distinct {
            Distinct::All(input) => input,
            Distinct::On(on) => match on.on_expr.iter().any(|expr| is(expr, on.input.schema())) {
                true => return Err(unsupported("DISTINCT ON").into()),
                false => return Ok(LogicalPlan::Distinct(Distinct::On(on))),
            },
        };
        if !input
            .schema()
            .fields()
            .iter()
            .any(|field| is_document(field.data_type()))
        {
            return Ok(LogicalPlan::Distinct(Distinct::All(input)));
        }
        let schema = input.schema().clone();
        let columns = schema.columns().into_iter().map(Expr::Column).collect();
        self.aggregate(Aggregate::try_new(input, columns, Vec::new())?, &schema)
    }

    fn join(&self, mut join: Join, schema: &DFSchema) -> DfResult<LogicalPlan> {
        let whole = |expr: &Expr| expr.exists(|expr| Ok(is(expr, schema)));
        let mut compares = false;
        for expr in join
            .on
            .iter()
            .flat_map(|(left, right)| [left, right])
            .chain(&join.filter)
        {
            compares |= whole(expr)?;
        }
        if compares && matches!(join.join_type, JoinType::Right | JoinType::Full) {
            return Err(unsupported("a right or full outer join by values").into());
        }
        for (left, right) in &mut join.on {
            if is(left, schema) || is(right, schema) {
                *left = self.key(std::mem::take(left), schema);
                *right = self.key(std::mem::take(right), schema);
            }
        }
        Ok(LogicalPlan::Join(join))
    }

    fn union(&self, union: Union) -> DfResult<LogicalPlan> {
        let schemas = || union.inputs.iter().map(|input| input.schema());
        let documents: Vec<bool> = (0..union.schema.fields().len())
            .map(|index| schemas().any(|schema| is_document(schema.field(index).data_type())))
            .collect();
        if !documents.contains(&true) {
            return Ok(LogicalPlan::Union(union));
        }
        let inputs = union.inputs.into_iter().map(|input| {
            let schema = input.schema().clone();
            let columns = schema.columns().into_iter().zip(&documents).map(|(column, document)| {
                let name = (column.relation.clone(), column.name.clone());
                match (Expr::Column(column), document) {
                    (expr, true) if !is(&expr, schema.as_ref()) => {
                        self.document(expr, schema.as_ref()).alias_qualified(name.0, name.1)
                    }
                    (expr, _) => expr,
                }
            });
            let columns: Vec<Expr> = columns.collect();
            Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, input)?)))
        });
        let inputs = inputs.collect::<DfResult<Vec<_>>>()?;
        Union::try_new_with_loose_types(inputs).map(LogicalPlan::Union)
    }
}

fn recursive(query: RecursiveQuery) -> DfResult<LogicalPlan> {
    let mut fields = query.schema.fields().iter();
    if query.is_distinct && fields.any(|field| is_document(field.data_type())) {
        return Err(unsupported("a recursive UNION of values").into());
    }
    Ok(LogicalPlan::RecursiveQuery(query))
}

fn type_of(expr: &Expr, schema: &dyn ExprSchema) -> SqlType {
    let field = expr.to_field(schema);
    field.map_or(SqlType::Text, |(_, field)| SqlType::of_field(&field))
}

fn is(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| is_document(&data_type))
}

fn first_is_document(subquery: &Subquery) -> bool {
    let mut fields = subquery.subquery.schema().fields().iter();
    fields.next().is_some_and(|field| is_document(field.data_type()))
}

/// What the rewriter has made `min` of may have been ANY_VALUE.
fn aggregate_name(name: &str) -> String {
    match name {
        "min" => "min and any_value".into(),
        name => name.to_string(),
    }
}
