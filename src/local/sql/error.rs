//! Errors as Redshift words them: an SQLSTATE, a message, and where known a hint and the place in the statement.

mod wording;

use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

use crate::lake::{LakeError, LakeErrorKind};
use crate::rewrite::BRANCH;

pub type Result<T, E = SqlError> = std::result::Result<T, E>;

/// What went wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// Five characters, for example `42P01`.
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// One-based character position in the statement's text.
    pub position: Option<usize>,
}

impl SqlError {
    pub fn new(sqlstate: &str, message: impl Into<String>) -> Self {
        Self {
            sqlstate: sqlstate.into(),
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
        }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// A feature that real Redshift has and this engine does not.
    pub fn unsupported(feature: impl fmt::Display) -> Self {
        Self::new("0A000", format!("{feature} is not supported by the local Redshift"))
    }

    pub fn no_function(name: impl fmt::Display) -> Self {
        Self::new("42883", format!("function {name}() does not exist")).with_hint(
            "No function matches the given name and argument types. You may need to add explicit type casts.",
        )
    }

    pub fn no_operator(left: impl fmt::Display, operator: impl fmt::Display, right: impl fmt::Display) -> Self {
        Self::new("42883", format!("operator does not exist: {left} {operator} {right}")).with_hint(
            "No operator matches the given name and argument type(s). You may need to add explicit type casts.",
        )
    }

    pub fn syntax(message: impl Into<String>) -> Self {
        Self::new("42601", message)
    }

    pub fn no_relation(name: impl fmt::Display) -> Self {
        Self::new("42P01", format!("relation \"{name}\" does not exist"))
    }

    pub fn no_column(name: impl fmt::Display) -> Self {
        Self::new("42703", format!("column \"{name}\" does not exist"))
    }

    pub fn no_schema(name: impl fmt::Display) -> Self {
        Self::new("3F000", format!("schema \"{name}\" does not exist"))
    }

    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new("XX000", message.to_string())
    }

    /// Two transactions changed the same table.
    pub fn serialization(table: impl fmt::Display) -> Self {
        Self::new("40001", "1023").with_detail(format!(
            "Serializable isolation violation on table - {table}, transactions forming the cycle"
        ))
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}

/// Lets functions and table providers raise our errors through DataFusion.
impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

impl From<redb::Error> for SqlError {
    fn from(error: redb::Error) -> Self {
        Self::new("58030", format!("the catalog store failed: {error}"))
    }
}

impl From<std::io::Error> for SqlError {
    fn from(error: std::io::Error) -> Self {
        Self::new("58030", error.to_string())
    }
}

impl From<ArrowError> for SqlError {
    fn from(error: ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

impl From<datafusion::parquet::errors::ParquetError> for SqlError {
    fn from(error: datafusion::parquet::errors::ParquetError) -> Self {
        Self::internal(format!("Parquet: {error}"))
    }
}

impl From<LakeError> for SqlError {
    fn from(error: LakeError) -> Self {
        let LakeError { kind, message } = error;
        match kind {
            LakeErrorKind::NoRole | LakeErrorKind::Denied => Self::new("42501", message),
            LakeErrorKind::NoDatabase => Self::new("3D000", message),
            LakeErrorKind::NoTable => Self::new("42P01", message),
            LakeErrorKind::AlreadyExists => Self::new("42P07", message),
            LakeErrorKind::NoBucket | LakeErrorKind::NoObject | LakeErrorKind::Failed => Self::new("XX000", message),
        }
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(cause) => match cause.downcast::<SqlError>() {
                Ok(error) => *error,
                Err(cause) => match cause.downcast::<DataFusionError>() {
                    Ok(error) => (*error).into(),
                    Err(cause) => wording::execution(&cause.to_string()),
                },
            },
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => (*inner).into(),
            DataFusionError::Shared(inner) => shared(&inner),
            DataFusionError::Collection(mut errors) if !errors.is_empty() => errors.swap_remove(0).into(),
            DataFusionError::ArrowError(inner, _) => arrow(*inner),
            DataFusionError::SchemaError(inner, _) => schema(*inner),
            DataFusionError::NotImplemented(message) => wording::not_implemented(&message),
            DataFusionError::Plan(message) => wording::plan(&message),
            DataFusionError::ResourcesExhausted(message) => wording::out_of_memory(&message),
            DataFusionError::Execution(message) => wording::execution(&message),
            other => wording::other(&other),
        }
    }
}

fn shared(error: &DataFusionError) -> SqlError {
    match error {
        DataFusionError::External(cause) => match cause.downcast_ref::<SqlError>() {
            Some(error) => error.clone(),
            None => wording::execution(&cause.to_string()),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => shared(inner),
        DataFusionError::Shared(inner) => shared(inner),
        DataFusionError::ArrowError(inner, _) => wording::arrow(&inner.to_string()),
        DataFusionError::ResourcesExhausted(message) => wording::out_of_memory(message),
        DataFusionError::Execution(message) => wording::execution(message),
        other => wording::other(other),
    }
}

fn arrow(error: ArrowError) -> SqlError {
    match error {
        ArrowError::ExternalError(cause) => DataFusionError::External(cause).into(),
        ArrowError::DivideByZero => SqlError::new("22012", "division by zero"),
        other => wording::arrow(&other.to_string()),
    }
}

fn schema(error: SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, .. } => match &field.relation {
            Some(relation) if relation.table() == BRANCH => SqlError::unsupported(wording::CORRELATED),
            Some(relation) => SqlError::no_column(format!("{}.{}", relation.table(), field.name)),
            None => SqlError::no_column(&field.name),
        },
        SchemaError::AmbiguousReference { field } => {
            SqlError::new("42702", format!("column reference \"{}\" is ambiguous", field.name))
        }
        other => SqlError::syntax(other.to_string().lines().next().unwrap_or_default()),
    }
}
