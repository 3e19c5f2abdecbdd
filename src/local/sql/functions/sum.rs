//! SUM of whole numbers, counted in more digits than they have: a total that is no bigint is an error and not another
//! number. Everything else is summed as the engine does it.

use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::sum::Sum as EngineSum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
};

use crate::error::SqlError;

/// What totals are kept as while they grow.
const WIDE: DataType = DataType::Decimal128(38, 0);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum(EngineSum);

pub fn sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Sum(EngineSum::new())))
}

fn is_whole(returns: &DataType, distinct: bool) -> bool {
    *returns == DataType::Int64 && !distinct
}

fn fitting(total: i128) -> DfResult<i64> {
    i64::try_from(total).map_err(|_| SqlError::new("22003", "bigint out of range").into())
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.0.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        match is_whole(args.return_type(), args.is_distinct) {
            true => Ok(Box::new(Total::default())),
            false => self.0.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        match is_whole(args.return_type(), args.is_distinct) {
            true => Ok(Box::new(Total::default())),
            false => self.0.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        match is_whole(args.return_type(), args.is_distinct) {
            true => Ok(Box::new(Totals::default())),
            false => self.0.create_groups_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        match is_whole(args.return_type(), args.is_distinct) {
            true => Ok(vec![Arc::new(Field::new(
                format_state_name(args.name, "sum"),
                WIDE,
                true,
            ))]),
            false => self.0.state_fields(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.0.reverse_expr()
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        self.0.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.0.set_monotonicity(data_type)
    }
}

/// The total of one group.
#[derive(Debug, Default)]
struct Total {
    sum: i128,
    count: u64,
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let values = values[0].as_primitive::<Int64Type>();
        self.sum += values.iter().flatten().map(i128::from).sum::<i128>();
        self.count += (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let values = values[0].as_primitive::<Int64Type>();
        self.sum -= values.iter().flatten().map(i128::from).sum::<i128>();
        self.count -= (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let sum = (self.count > 0).then_some(self.sum);
        Ok(vec![ScalarValue::Decimal128(sum, 38, 0)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        for sum in states[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum += sum;
            self.count += 1;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let sum = (self.count > 0).then(|| fitting(self.sum)).transpose()?;
        Ok(ScalarValue::Int64(sum))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// The totals of many groups; there is none of a group without a value.
#[derive(Debug, Default)]
struct Totals {
    sums: Vec<i128>,
    seen: Vec<bool>,
}

impl Totals {
    fn grow(&mut self, count: usize) {
        self.sums.resize(count, 0);
        self.seen.resize(count, false);
    }

    fn add(&mut self, group: usize, value: i128) {
        self.sums[group] += value;
        self.seen[group] = true;
    }

    fn taken(&mut self, emit: EmitTo) -> impl Iterator<Item = Option<i128>> + use<> {
        let (sums, seen) = (emit.take_needed(&mut self.sums), emit.take_needed(&mut self.seen));
        sums.into_iter().zip(seen).map(|(sum, seen)| seen.then_some(sum))
    }
}

fn wide(totals: impl IntoIterator<Item = Option<i128>>) -> DfResult<ArrayRef> {
    let totals: Decimal128Array = totals.into_iter().collect();
    Ok(Arc::new(totals.with_data_type(WIDE)))
}

fn counts(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl GroupsAccumulator for Totals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> DfResult<()> {
        self.grow(count);
        let values = values[0].as_primitive::<Int64Type>();
        if filter.is_none() && values.null_count() == 0 {
            for (group, value) in groups.iter().zip(values.values()) {
                self.add(*group, i128::from(*value));
            }
            return Ok(());
        }
        for (row, value) in values.iter().enumerate() {
            if let Some(value) = value.filter(|_| counts(filter, row)) {
                self.add(groups[row], i128::from(value));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> DfResult<()> {
        self.grow(count);
        for (group, sum) in groups.iter().zip(states[0].as_primitive::<Decimal128Type>()) {
            if let Some(sum) = sum {
                self.add(*group, sum);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> DfResult<ArrayRef> {
        let sums = self.taken(emit).map(|sum| sum.map(fitting).transpose());
        Ok(Arc::new(sums.collect::<DfResult<Int64Array>>()?))
    }

    fn state(&mut self, emit: EmitTo) -> DfResult<Vec<ArrayRef>> {
        Ok(vec![wide(self.taken(emit))?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<Int64Type>().iter().enumerate();
        let counted = values.map(|(row, value)| value.filter(|_| counts(filter, row)).map(i128::from));
        Ok(vec![wide(counted)?])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.seen.capacity()
    }
}
