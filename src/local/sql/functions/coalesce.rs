//! COALESCE over documents and other values. The planner's own, which this one is otherwise, finds no type for both.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::types::SqlType;

#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Coalesce(pub Arc<ScalarUDF>);

fn is_document(data_type: &DataType) -> bool {
    SqlType::from_arrow(data_type) == SqlType::Super
}

impl ScalarUDFImpl for Coalesce {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.0.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        match args.arg_fields.iter().any(|field| is_document(field.data_type())) {
            true => Ok(Arc::new(SqlType::Super.field(self.name(), true))),
            false => self.0.return_field_from_args(args),
        }
    }

    /// The plan's other values become documents when it is whole.
    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        match types.iter().any(is_document) {
            true => Ok(types.to_vec()),
            false => self.0.coerce_types(types),
        }
    }

    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> DfResult<ExprSimplifyResult> {
        self.0.simplify(args, context)
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.0.conditional_arguments(args)
    }

    fn short_circuits(&self) -> bool {
        self.0.short_circuits()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        self.0.invoke_with_args(args)
    }
}
