//! From what Redshift accepts to what the planner understands, on the syntax tree: names are resolved to relations,
//! views are opened, lateral aliases replaced, outputs named as Redshift names them.
//!
//! A column of FROM wins over an alias of the same select list; that needs the columns of every source, which is why
//! this pass knows the schema. Expressions are handled in `expr`.

mod aggregate;
mod build;
mod expr;
mod known;
mod lookup;
mod sets;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, Ident, JoinConstraint, JoinOperator, LimitClause, ObjectName,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor,
    TableWithJoins, TopQuantity, VisitMut,
};

use crate::error::{Result, SqlError};
use crate::utility::{Name, name_of};

pub use build::{arguments, assigned, function_name, literal_text, null, text as literal, typed};
pub use sets::{BRANCH, COMMON};

/// The schema of names that views bound by identity use: `"$oid"."100004"`.
pub const BY_OID: &str = "$oid";

/// Separates an output name from the number that makes it unique inside the plan.
pub const UNIQUE: char = '\u{1}';

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Found {
    /// Planned as the table `key`. Hidden columns can be named, but a wildcard leaves them out.
    Table {
        key: String,
        columns: Vec<String>,
        hidden: Vec<String>,
    },
    /// Planned as a subquery. `columns` renames and pins its output.
    View { query: Box<Query>, columns: Vec<String> },
}

/// What the rewriter asks its session.
pub trait Names {
    /// Returns what a relation name stands for, or the error that its use is.
    fn relation(&self, name: &Name) -> Result<Found>;
    /// Returns the value of `current_user` and its like, as an expression.
    fn session_value(&self, name: &str) -> Option<Expr>;
    /// Returns the value of `$n`.
    fn parameter(&self, number: usize) -> Result<Expr>;
}

/// Rewrites a query. Returns the names of its columns.
pub fn query(names: &dyn Names, query: &mut Query) -> Result<Vec<String>> {
    let rewriter = Rewriter {
        names,
        sets: Cell::new(0),
    };
    rewriter.query(query, &Ctes::default(), None)
}

/// Removes the numbers that made an output name unique.
pub fn output_name(name: &str) -> &str {
    name.split(UNIQUE).next().unwrap_or(name)
}

/// Turns the parts of a name in the syntax tree into ours.
pub fn name_from(object: &ObjectName) -> Result<Name> {
    let parts: Option<Vec<String>> = object
        .0
        .iter()
        .map(|part| part.as_ident().map(|ident| ident.value.clone()))
        .collect();
    parts
        .and_then(name_of)
        .ok_or_else(|| SqlError::syntax(format!("improper qualified name \"{object}\"")))
}

type Ctes = BTreeMap<String, Vec<String>>;

struct Rewriter<'a> {
    names: &'a dyn Names,
    /// How many set operations there are so far.
    sets: Cell<usize>,
}

/// One item of FROM.
#[derive(Clone, Debug)]
struct From {
    alias: String,
    /// The name before it was replaced; `None` for subqueries and aliased tables.
    original: Option<Name>,
    columns: Vec<String>,
    hidden: Vec<String>,
}

/// The names an expression can see.
struct Scope<'a> {
    sources: Vec<From>,
    outer: Option<&'a Scope<'a>>,
    ctes: &'a Ctes,
}

impl Scope<'_> {
    fn has_column(&self, name: &str) -> bool {
        self.sources
            .iter()
            .any(|source| source.columns.iter().chain(&source.hidden).any(|column| column == name))
    }

    fn has_column_of(&self, alias: &str, name: &str) -> bool {
        match self.sources.iter().find(|source| source.alias == alias) {
            Some(source) => source.columns.iter().chain(&source.hidden).any(|column| column == name),
            None => self.outer.is_some_and(|outer| outer.has_column_of(alias, name)),
        }
    }

    fn visible(&self, name: &str) -> bool {
        self.has_column(name) || self.outer.is_some_and(|outer| outer.visible(name))
    }

    fn has_source(&self, alias: &str) -> bool {
        self.sources.iter().any(|source| source.alias == alias)
            || self.outer.is_some_and(|outer| outer.has_source(alias))
    }

    /// Returns the alias that a qualified name means.
    fn qualifier(&self, name: &Name) -> Option<String> {
        let fits = |source: &&From| match &source.original {
            Some(original) => {
                original.name == name.name
                    && (name.schema.is_none() || original.schema.is_none() || name.schema == original.schema)
            }
            None => name.schema.is_none() && source.alias == name.name,
        };
        let exact = self
            .sources
            .iter()
            .find(|source| source.alias == name.name && fits(source));
        exact
            .or_else(|| self.sources.iter().find(fits))
            .map(|source| source.alias.clone())
            .or_else(|| self.outer.and_then(|outer| outer.qualifier(name)))
    }
}

impl Rewriter<'_> {
    fn query(&self, query: &mut Query, ctes: &Ctes, outer: Option<&Scope>) -> Result<Vec<String>> {
        if !query.locks.is_empty() {
            return Err(SqlError::unsupported("SELECT … FOR UPDATE"));
        }
        let mut ctes = ctes.clone();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let name = cte.alias.name.value.clone();
                let declared: Vec<String> = cte
                    .alias
                    .columns
                    .iter()
                    .map(|column| column.name.value.clone())
                    .collect();
                if with.recursive {
                    let seed = if declared.is_empty() {
                        leftmost_names(&cte.query.body)
                    } else {
                        declared.clone()
                    };
                    ctes.insert(name.clone(), seed);
                }
                let columns = match with.recursive && sets::names(&cte.query, &name) {
                    true => self.recursive(&mut cte.query, &ctes, outer)?,
                    false => self.query(&mut cte.query, &ctes, outer)?,
                };
                ctes.insert(name, if declared.is_empty() { columns } else { declared });
            }
        }
        self.take_top(query)?;
        let mut order_by = match query.order_by.as_mut().map(|order_by| &mut order_by.kind) {
            Some(OrderByKind::Expressions(exprs)) => std::mem::take(exprs),
            _ => Vec::new(),
        };
        let columns = self.set_expr(&mut query.body, &ctes, outer, &mut order_by)?;
        if let Some(OrderByKind::Expressions(exprs)) = query.order_by.as_mut().map(|order_by| &mut order_by.kind) {
            *exprs = order_by;
        }
        self.limit(query)?;
        Ok(columns)
    }

    /// `select top 5` is `limit 5`.
    fn take_top(&self, query: &mut Query) -> Result<()> {
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Ok(());
        };
        let Some(top) = select.top.take() else { return Ok(()) };
        if top.percent || top.with_ties {
            return Err(SqlError::unsupported("TOP with PERCENT or TIES"));
        }
        let quantity = match top.quantity {
            Some(TopQuantity::Constant(count)) => build::bare_number(&count.to_string()),
            Some(TopQuantity::Expr(expr)) => expr,
            None => return Err(SqlError::syntax("TOP needs a number")),
        };
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(quantity),
            offset: None,
            limit_by: Vec::new(),
        });
        Ok(())
    }

    /// Parameters arrive as text; LIMIT wants numbers. `limit all` is no limit.
    fn limit(&self, query: &mut Query) -> Result<()> {
        let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause else {
            return Ok(());
        };
        let fix = |expr: &mut Expr| -> Result<()> {
            if let Expr::Value(value) = expr
                && let ast::Value::Placeholder(name) = &value.value
            {
                *expr = self.names.parameter(build::parameter_number(name)?)?;
            }
            if let Some(text) = build::literal_text(expr) {
                *expr = build::bare_number(text.trim());
            }
            Ok(())
        };
        if let Some(expr) = limit {
            fix(expr)?;
        }
        if let Some(offset) = offset {
            fix(&mut offset.value)?;
        }
        Ok(())
    }

    fn set_expr(
        &self,
        body: &mut SetExpr,
        ctes: &Ctes,
        outer: Option<&Scope>,
        order_by: &mut [ast::OrderByExpr],
    ) -> Result<Vec<String>> {
        match body {
            SetExpr::Select(select) => self.select(select, ctes, outer, order_by),
            SetExpr::Query(query) => self.query(query, ctes, outer),
            SetExpr::SetOperation { .. } => self.set_operation(body, ctes, outer),
            SetExpr::Values(values) => {
                let scope = Scope {
                    sources: Vec::new(),
                    outer,
                    ctes,
                };
                let mut width = 0;
                for row in &mut values.rows {
                    width = row.content.len();
                    for expr in &mut row.content {
                        self.expr(expr, &scope, &BTreeMap::new())?;
                    }
                }
                Ok((1..=width).map(|index| format!("column{index}")).collect())
            }
            SetExpr::Table(_) => Err(SqlError::unsupported("TABLE")),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(SqlError::unsupported("a data-changing statement inside a query"))
            }
        }
    }

    fn select(
        &self,
        select: &mut Select,
        ctes: &Ctes,
        outer: Option<&Scope>,
        order_by: &mut [ast::OrderByExpr],
    ) -> Result<Vec<String>> {
        if !select.connect_by.is_empty() {
            return Err(SqlError::unsupported("CONNECT BY"));
        }
        if matches!(select.distinct, Some(ast::Distinct::On(_))) {
            return Err(SqlError::new("0A000", "SELECT DISTINCT ON is not supported"));
        }
        if !select.named_window.is_empty() {
            return Err(SqlError::syntax("syntax error at or near \"window\""));
        }
        if select.into.is_some() {
            return Err(SqlError::unsupported("SELECT INTO inside a query"));
        }
        let mut scope = Scope {
            sources: Vec::new(),
            outer,
            ctes,
        };
        let mut merged = Vec::new();
        for item in &mut select.from {
            self.source_item(item, &mut scope, &mut merged)?;
        }
        unique(&scope.sources)?;
        self.expand_wildcards(select, &scope, &merged)?;
        let mut aliases: BTreeMap<String, Expr> = BTreeMap::new();
        let mut columns: Vec<String> = Vec::new();
        for item in std::mem::take(&mut select.projection) {
            let (mut expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value)),
                SelectItem::Wildcard(options) => {
                    columns.extend(visible_columns(&scope.sources, &merged));
                    select.projection.push(SelectItem::Wildcard(options));
                    continue;
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    let SelectItemQualifiedWildcardKind::ObjectName(object) = &kind else {
                        return Err(SqlError::unsupported("a wildcard of an expression"));
                    };
                    let name = name_from(object)?;
                    let alias = scope.qualifier(&name).ok_or_else(|| missing_from(&name))?;
                    columns.extend(
                        scope
                            .sources
                            .iter()
                            .filter(|source| source.alias == alias)
                            .flat_map(|source| source.columns.clone()),
                    );
                    let object = ObjectName::from(vec![quoted(&alias)]);
                    select.projection.push(SelectItem::QualifiedWildcard(
                        SelectItemQualifiedWildcardKind::ObjectName(object),
                        options,
                    ));
                    continue;
                }
                SelectItem::ExprWithAliases { .. } => {
                    return Err(SqlError::unsupported("an expression with several aliases"));
                }
            };
            let name = alias.clone().unwrap_or_else(|| expr::natural_name(&expr));
            build::count_instead_of_exists(&mut expr);
            self.expr(&mut expr, &scope, &aliases)?;
            let plain = matches!(&expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if let Some(alias) = &alias {
                aliases
                    .entry(alias.clone())
                    .or_insert_with(|| Expr::Nested(Box::new(expr.clone())));
            }
            let repeated = columns.iter().filter(|column| output_name(column) == name).count();
            let unique = if repeated == 0 {
                name
            } else {
                format!("{name}{UNIQUE}{repeated}")
            };
            columns.push(unique.clone());
            select.projection.push(if plain && alias.is_none() && repeated == 0 {
                SelectItem::UnnamedExpr(expr)
            } else {
                SelectItem::ExprWithAlias {
                    expr,
                    alias: quoted(&unique),
                }
            });
        }
        for expr in [&mut select.selection, &mut select.having, &mut select.qualify]
            .into_iter()
            .flatten()
        {
            build::numbers_are_conditions(expr);
            self.expr(expr, &scope, &aliases)?;
        }
        if let ast::GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
            for expr in exprs {
                // A bare number in GROUP BY counts outputs.
                if build::literal_number(expr).is_none() {
                    self.expr(expr, &scope, &BTreeMap::new())?;
                }
            }
        }
        for order in order_by {
            if build::literal_number(&order.expr).is_none() {
                let is_output = matches!(&order.expr, Expr::Identifier(ident) if columns.contains(&ident.value));
                if !is_output {
                    self.expr(&mut order.expr, &scope, &aliases)?;
                }
            }
        }
        Ok(columns)
    }

    /// Spells out `*` where two sources have a column of the same name, which a plan cannot hold twice.
    fn expand_wildcards(&self, select: &mut Select, scope: &Scope, merged: &[String]) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        let clash = scope
            .sources
            .iter()
            .flat_map(|source| &source.columns)
            .any(|column| !merged.contains(column) && !seen.insert(column));
        let hides = scope.sources.iter().any(|source| !source.hidden.is_empty());
        // What stands beside a wildcard may be one of its columns.
        let alone = select.projection.len() == 1;
        if !clash && !hides && alone {
            return Ok(());
        }
        let mut expanded = Vec::new();
        for item in std::mem::take(&mut select.projection) {
            let sources: Vec<&From> = match &item {
                SelectItem::Wildcard(options) if is_plain(options) => scope.sources.iter().collect(),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(object), options)
                    if is_plain(options) =>
                {
                    let name = name_from(object)?;
                    let alias = scope.qualifier(&name).ok_or_else(|| missing_from(&name))?;
                    scope.sources.iter().filter(|source| source.alias == alias).collect()
                }
                _ => {
                    expanded.push(item);
                    continue;
                }
            };
            let whole = matches!(item, SelectItem::Wildcard(_));
            if whole {
                expanded.extend(
                    merged
                        .iter()
                        .map(|column| SelectItem::UnnamedExpr(Expr::Identifier(quoted(column)))),
                );
            }
            for source in sources {
                for column in source
                    .columns
                    .iter()
                    .filter(|column| !(whole && merged.contains(column)))
                {
                    let expr = if source.alias.is_empty() {
                        Expr::Identifier(quoted(column))
                    } else {
                        Expr::CompoundIdentifier(vec![quoted(&source.alias), quoted(column)])
                    };
                    expanded.push(SelectItem::UnnamedExpr(expr));
                }
            }
        }
        select.projection = expanded;
        Ok(())
    }

    fn source_item(&self, item: &mut TableWithJoins, scope: &mut Scope, merged: &mut Vec<String>) -> Result<()> {
        self.factor(&mut item.relation, scope)?;
        for join in &mut item.joins {
            let before = scope.sources.len();
            self.factor(&mut join.relation, scope)?;
            match constraint(&mut join.join_operator) {
                Some(JoinConstraint::On(expr)) => {
                    self.expr(expr, scope, &BTreeMap::new())?;
                }
                Some(JoinConstraint::Using(columns)) => {
                    for column in columns {
                        let name = column.to_string().replace('"', "");
                        if !merged.contains(&name) {
                            merged.push(name);
                        }
                    }
                }
                Some(JoinConstraint::Natural) => {
                    let (left, right) = scope.sources.split_at(before);
                    let shared: Vec<String> = left
                        .iter()
                        .flat_map(|source| &source.columns)
                        .filter(|column| right.iter().any(|source| source.columns.contains(column)))
                        .cloned()
                        .collect();
                    for column in shared {
                        if !merged.contains(&column) {
                            merged.push(column);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn factor(&self, factor: &mut TableFactor, scope: &mut Scope) -> Result<()> {
        match factor {
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                Err(SqlError::unsupported("TABLESAMPLE"))
            }
            TableFactor::Table { name, alias, args, .. } => {
                let first = name.0.first().and_then(|part| part.as_ident());
                let source = first.filter(|first| name.0.len() > 1 && scope.has_source(&first.value));
                let unnests = source.map(|_| SqlError::unsupported(format!("unnesting SUPER in FROM ({name})")));
                let original = name_from(name).map_err(|error| unnests.clone().unwrap_or(error))?;
                if let Some(args) = args
                    && original.name == "generate_series"
                {
                    let bounds = args.args.iter().filter_map(|arg| match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(bound)) => Some(bound.clone()),
                        _ => None,
                    });
                    let series = build::call("generate_series", bounds.collect());
                    // The one column is called as the alias says, or as the alias.
                    let column = match alias.as_ref().map(|alias| (&alias.name, alias.columns.as_slice())) {
                        Some((_, [column, ..])) => column.name.value.clone(),
                        Some((name, [])) => name.value.clone(),
                        None => original.name.clone(),
                    };
                    *factor = one_value(&column, series, alias.take());
                    return self.factor(factor, scope);
                }
                if args.is_some() {
                    known::refuse_missing(&original.name)?;
                }
                if args.take().is_some_and(|args| args.args.is_empty())
                    && original.schema.as_deref().is_none_or(|schema| schema == "pg_catalog")
                    && let Some(value) = self.names.session_value(&original.name)
                {
                    *factor = one_value(&original.name, value, alias.take());
                    return self.factor(factor, scope);
                }
                if original.schema.is_none()
                    && let Some(columns) = scope.ctes.get(&original.name)
                {
                    let columns = aliased(alias, columns.clone());
                    let alias_name = alias
                        .as_ref()
                        .map_or_else(|| original.name.clone(), |alias| alias.name.value.clone());
                    scope.sources.push(From {
                        alias: alias_name,
                        original: None,
                        columns,
                        hidden: Vec::new(),
                    });
                    return Ok(());
                }
                let found = self
                    .names
                    .relation(&original)
                    .map_err(|error| unnests.unwrap_or(error))?;
                let aliased_by_user = alias.is_some();
                let mut chosen = alias.clone().unwrap_or_else(|| table_alias(&original.name));
                for column in &mut chosen.columns {
                    column.data_type = None;
                }
                // Two tables of one name from different schemas need different aliases inside the plan.
                while !aliased_by_user && scope.sources.iter().any(|source| source.alias == chosen.name.value) {
                    chosen.name.value.push(UNIQUE);
                }
                let alias_name = chosen.name.value.clone();
                let (columns, hidden) = match found {
                    Found::Table { key, columns, hidden } => {
                        *name = ObjectName::from(vec![quoted(&key)]);
                        let columns = aliased(&Some(chosen.clone()), columns);
                        *alias = Some(chosen);
                        (columns, hidden)
                    }
                    Found::View { mut query, columns } => {
                        let own = self.query(&mut query, &Ctes::new(), None)?;
                        let columns = if columns.is_empty() { own } else { columns };
                        if chosen.columns.is_empty() {
                            chosen.columns = columns.iter().map(|column| alias_column(column)).collect();
                        }
                        let visible = aliased(&Some(chosen.clone()), columns);
                        *factor = TableFactor::Derived {
                            lateral: false,
                            subquery: query,
                            alias: Some(chosen),
                            sample: None,
                        };
                        (visible, Vec::new())
                    }
                };
                scope.sources.push(From {
                    alias: alias_name,
                    original: (!aliased_by_user).then_some(original),
                    columns,
                    hidden,
                });
                Ok(())
            }
            TableFactor::Derived {
                subquery,
                alias,
                lateral,
                ..
            } => {
                let visible = Scope {
                    sources: scope.sources.clone(),
                    outer: scope.outer,
                    ctes: scope.ctes,
                };
                let columns = self.query(
                    subquery,
                    scope.ctes,
                    if *lateral { Some(&visible) } else { scope.outer },
                )?;
                let columns = aliased(alias, columns);
                // A subquery may go without an alias; its columns are then reached by name alone.
                let name = alias
                    .as_ref()
                    .map_or_else(String::new, |alias| alias.name.value.clone());
                scope.sources.push(From {
                    alias: name,
                    original: None,
                    columns,
                    hidden: Vec::new(),
                });
                Ok(())
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                let mut merged = Vec::new();
                self.source_item(table_with_joins, scope, &mut merged)
            }
            TableFactor::Pivot { .. } => Err(SqlError::unsupported("PIVOT")),
            TableFactor::Unpivot { .. } => Err(SqlError::unsupported("UNPIVOT")),
            TableFactor::Function { .. } | TableFactor::TableFunction { .. } => {
                Err(SqlError::unsupported("table functions"))
            }
            other => Err(SqlError::unsupported(format!("{other} in FROM"))),
        }
    }

    /// Rewrites an expression in place, subqueries included.
    fn expr(&self, expr: &mut Expr, scope: &Scope, aliases: &BTreeMap<String, Expr>) -> Result<()> {
        let mut visitor = expr::Visitor::new(self, scope, aliases);
        match VisitMut::visit(expr, &mut visitor) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

/// `from current_database()`: a function of one value as a table of one row.
fn one_value(name: &str, value: Expr, alias: Option<TableAlias>) -> TableFactor {
    let item = SelectItem::ExprWithAlias {
        expr: value,
        alias: quoted(name),
    };
    let mut query = crate::parse::query("select 1").expect("a query");
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![item];
    }
    TableFactor::Derived {
        lateral: false,
        subquery: query,
        alias: alias.or_else(|| Some(table_alias(name))),
        sample: None,
    }
}

/// Whether each item of FROM has a name of its own. Tables of different schemas may share theirs.
fn unique(sources: &[From]) -> Result<()> {
    let name = |source: &From| output_name(&source.alias).to_string();
    let same = |left: &From, right: &From| match (&left.original, &right.original) {
        (Some(left), Some(right)) => left == right,
        _ => name(left) == name(right) && !left.alias.is_empty(),
    };
    for (index, source) in sources.iter().enumerate() {
        if sources[..index].iter().any(|earlier| same(earlier, source)) {
            let message = format!("table name \"{}\" specified more than once", name(source));
            return Err(SqlError::new("42712", message));
        }
    }
    Ok(())
}

fn missing_from(name: &Name) -> SqlError {
    SqlError::new(
        "42P01",
        format!("missing FROM-clause entry for table \"{}\"", name.name),
    )
}

fn is_plain(options: &ast::WildcardAdditionalOptions) -> bool {
    options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

fn visible_columns(sources: &[From], merged: &[String]) -> Vec<String> {
    let own = sources
        .iter()
        .flat_map(|source| &source.columns)
        .filter(|column| !merged.contains(column))
        .cloned();
    merged.iter().cloned().chain(own).collect()
}

fn aliased(alias: &Option<TableAlias>, mut columns: Vec<String>) -> Vec<String> {
    if let Some(alias) = alias {
        for (column, renamed) in columns.iter_mut().zip(&alias.columns) {
            *column = renamed.name.value.clone();
        }
    }
    columns
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

fn leftmost_names(body: &SetExpr) -> Vec<String> {
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                SelectItem::UnnamedExpr(expr) => expr::natural_name(expr),
                _ => "?column?".into(),
            })
            .collect(),
        SetExpr::SetOperation { left, .. } => leftmost_names(left),
        SetExpr::Query(query) => leftmost_names(&query.body),
        _ => Vec::new(),
    }
}

pub fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

fn table_alias(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: quoted(name),
        columns: Vec::new(),
        at: None,
    }
}

fn alias_column(name: &str) -> ast::TableAliasColumnDef {
    ast::TableAliasColumnDef {
        name: quoted(name),
        data_type: None,
    }
}
