//! The banking dataset, read back as its users will: columns, domains, keys and references, and golden checksums
//! that no machine and no number of parts may change.

use lakeform_datagen::{Dataset, DirtKind, Options, Plan, crc64nvme, crc64nvme_combine};
use std::collections::{BTreeSet, HashMap, HashSet};

fn plan(options: &Options) -> Plan {
    let dataset = Dataset::builtin("banking").expect("shipped");
    dataset.plan(options).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Returns the whole text of a table's first file.
fn file(plan: &Plan, table: usize, file: usize) -> String {
    let mut out = Vec::new();
    for part in 0..plan.tables[table].files[file].parts.len() {
        plan.write_part(table, file, part, &mut out);
    }
    String::from_utf8(out).expect("UTF-8")
}

struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn column(&self, name: &str) -> impl Iterator<Item = &str> {
        let index = self
            .columns
            .iter()
            .position(|c| c == name)
            .unwrap_or_else(|| panic!("no column {name}"));
        self.rows.iter().map(move |row| row[index].as_str())
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.column(name)
            .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
            .collect()
    }
}

fn read(plan: &Plan) -> HashMap<String, Table> {
    let mut tables = HashMap::new();
    for (index, table) in plan.tables.iter().enumerate() {
        let mut rows = Vec::new();
        let mut columns = Vec::new();
        for number in 0..table.files.len() {
            let text = file(plan, index, number);
            let mut lines = text
                .lines()
                .map(|line| line.split('|').map(str::to_owned).collect::<Vec<_>>());
            columns = lines.next().expect("a header");
            rows.extend(lines);
        }
        if plan.options.dirty == 0.0 {
            assert_eq!(rows.len() as u64, table.rows, "{}", table.name);
        }
        assert!(rows.iter().all(|row| row.len() == columns.len()), "{}", table.name);
        tables.insert(table.name.clone(), Table { columns, rows });
    }
    tables
}

#[test]
fn tables_have_the_columns_of_the_lakehouse_in_order() {
    let tables = read(&plan(&Options {
        rows: 100,
        ..Options::default()
    }));
    let expected = [
        (
            "accounts",
            "account_id customer_id account_number account_type account_balance credit_score",
        ),
        ("channels", "channel_id channel_name"),
        ("currencies", "currency_id currency_code currency_name"),
        (
            "customers",
            "customer_id first_name last_name email address city state postal_code phone_number",
        ),
        ("dates", "date_id date day month year weekday"),
        ("investment_types", "investment_type_id investment_type_name"),
        ("loans", "loan_id loan_type loan_amount interest_rate"),
        ("locations", "location_id city state country postal_code"),
        ("transaction_types", "transaction_type_id transaction_type_name"),
        (
            "fact_customer_interactions",
            "interaction_id date_id customer_id channel_id location_id interaction_type interaction_rating",
        ),
        (
            "fact_daily_balances",
            "balance_id date_id account_id currency_id opening_balance closing_balance average_balance",
        ),
        (
            "fact_investments",
            "investment_id date_id investment_type_id account_id location_id currency_id investment_amount \
             investment_return",
        ),
        (
            "fact_loans",
            "loan_fact_id date_id loan_id account_id location_id currency_id loan_amount loan_status",
        ),
        (
            "fact_transactions",
            "transaction_id date_id transaction_type_id account_id channel_id location_id currency_id \
             transaction_amount transaction_status",
        ),
    ];
    assert_eq!(tables.len(), expected.len());
    for (name, columns) in expected {
        assert_eq!(tables[name].columns.join(" "), columns, "{name}");
    }
}

#[test]
fn rows_are_the_facts_and_dimensions_have_their_usual_sizes_at_ten_thousand() {
    let plan = plan(&Options::default());
    let sizes: Vec<(&str, u64)> = plan
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.rows))
        .collect();
    let expected = [
        ("accounts", 100),
        ("channels", 5),
        ("currencies", 3),
        ("customers", 100),
        ("dates", 1_827),
        ("investment_types", 5),
        ("loans", 50),
        ("locations", 50),
        ("transaction_types", 4),
        ("fact_customer_interactions", 10_000),
        ("fact_daily_balances", 10_000),
        ("fact_investments", 10_000),
        ("fact_loans", 10_000),
        ("fact_transactions", 10_000),
    ];
    assert_eq!(sizes, expected);
}

#[test]
fn the_tests_of_the_lakehouse_hold_at_several_sizes_and_seeds() {
    for (rows, seed) in [(0, 1), (1, 2), (127, 3), (10_000, 42), (50_000, 7)] {
        let plan = plan(&Options {
            rows,
            seed,
            ..Options::default()
        });
        let tables = read(&plan);
        for table in &plan.tables {
            let data = &tables[&table.name];
            // The first column of every table is its key: unique and never null.
            let keys: HashSet<&str> = data.column(&table.columns[0].name).collect();
            assert_eq!(keys.len(), data.rows.len(), "{} {rows}", table.name);
            for row in &data.rows {
                assert!(row.iter().all(|value| !value.is_empty()), "{}: {row:?}", table.name);
            }
            for column in &table.columns {
                if let Some(reference) = &column.references {
                    let (parent, key) = reference.split_once('.').expect("table.column");
                    let known: HashSet<&str> = tables[parent].column(key).collect();
                    let orphan = data.column(&column.name).find(|value| !known.contains(value));
                    assert_eq!(orphan, None, "{}.{} {rows}", table.name, column.name);
                }
            }
        }
        let accounts = &tables["accounts"];
        let numbers: HashSet<&str> = accounts.column("account_number").collect();
        assert_eq!(numbers.len(), accounts.rows.len());
        assert!(
            numbers
                .iter()
                .all(|number| number.len() == 10 && !number.starts_with('0'))
        );
        let types = ["Savings", "Checking", "Investment", "Loan"];
        assert!(accounts.column("account_type").all(|kind| types.contains(&kind)));
        assert!(
            accounts
                .numbers("credit_score")
                .iter()
                .all(|score| (300.0..=850.0).contains(score))
        );
        assert!(
            accounts
                .numbers("account_balance")
                .iter()
                .all(|balance| (0.0..=1_000_000.0).contains(balance))
        );
        for name in ["currency_code", "currency_name"] {
            let distinct: HashSet<&str> = tables["currencies"].column(name).collect();
            assert_eq!(distinct.len(), 3);
        }
        let distinct: HashSet<&str> = tables["investment_types"].column("investment_type_name").collect();
        assert_eq!(distinct.len(), 5);
    }
}

#[test]
fn balances_meet_from_turn_to_turn_and_their_average_lies_between() {
    let tables = read(&plan(&Options {
        rows: 5_000,
        ..Options::default()
    }));
    let balances = &tables["fact_daily_balances"];
    let (opening, closing) = (balances.numbers("opening_balance"), balances.numbers("closing_balance"));
    let average = balances.numbers("average_balance");
    let mut last: HashMap<&str, f64> = HashMap::new();
    for (row, account) in balances.column("account_id").enumerate() {
        if let Some(before) = last.insert(account, closing[row]) {
            assert_eq!(before, opening[row], "account {account}");
        }
        assert!(((opening[row] + closing[row]) / 2.0 - average[row]).abs() < 0.0051);
        assert!(opening[row] >= 0.0 && closing[row] >= 0.0);
    }
    let accounts = &tables["accounts"];
    for (id, balance) in accounts.column("account_id").zip(accounts.numbers("account_balance")) {
        assert_eq!(last[id], balance, "an account holds what it last closed with");
    }
}

#[test]
fn people_and_places_are_coherent_and_safe() {
    let tables = read(&plan(&Options {
        rows: 100_000,
        ..Options::default()
    }));
    let customers = &tables["customers"];
    let mut leading_zeros = 0;
    for row in &customers.rows {
        let [_, first, last, email, _, city, state, postal, phone] = &row[..] else {
            panic!("nine columns")
        };
        let first: String = first
            .to_lowercase()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let last: String = last
            .to_lowercase()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        assert!(email.starts_with(&format!("{first}.{last}")), "{email}");
        assert!(
            ["example.com", "example.org", "example.net"]
                .iter()
                .any(|domain| email.ends_with(domain))
        );
        assert!(phone.contains(") 555-01") && phone.len() == 14, "{phone}");
        assert!(
            postal.len() == 5 && postal.bytes().all(|b| b.is_ascii_digit()),
            "{postal}"
        );
        assert!(!city.is_empty() && !state.is_empty());
        leading_zeros += usize::from(postal.starts_with('0'));
    }
    assert!(leading_zeros > 20, "{leading_zeros}");
    let emails: HashSet<&str> = customers.column("email").collect();
    assert_eq!(emails.len(), customers.rows.len());
}

#[test]
fn days_agree_with_the_calendar_and_rise() {
    let tables = read(&plan(&Options {
        rows: 20_000,
        ..Options::default()
    }));
    let dates = &tables["dates"];
    assert_eq!(
        dates.rows.first().map(|row| row.join("|")).as_deref(),
        Some("1|2020-01-01|1|1|2020|3")
    );
    assert_eq!(
        dates.rows.last().map(|row| row.join("|")).as_deref(),
        Some("1827|2024-12-31|31|12|2024|2")
    );
    let days = tables["fact_transactions"].numbers("date_id");
    assert!(days.is_sorted());
    assert!(days.iter().all(|day| (1.0..=1_827.0).contains(day)));
}

#[test]
fn parts_and_files_of_any_size_hold_the_same_rows() {
    let whole = plan(&Options {
        rows: 3_000,
        ..Options::default()
    });
    for (target_bytes, part_bytes) in [(u64::MAX, 999), (10_000, 1_000), (77, 1 << 20), (50_000, u64::MAX)] {
        let cut = plan(&Options {
            rows: 3_000,
            target_bytes,
            part_bytes,
            ..Options::default()
        });
        for (index, table) in whole.tables.iter().enumerate() {
            let expected = file(&whole, index, 0);
            let (header, body) = expected.split_once('\n').expect("a header");
            let mut joined = String::new();
            for number in 0..cut.tables[index].files.len() {
                let text = file(&cut, index, number);
                let (own, rest) = text.split_once('\n').expect("a header");
                assert_eq!(own, header);
                joined.push_str(rest);
            }
            assert!(joined == body, "{} cut to {target_bytes}/{part_bytes}", table.name);
        }
    }
}

#[test]
fn shares_make_the_whole_without_overlap() {
    let options = Options {
        rows: 20_000,
        target_bytes: 20_000,
        ..Options::default()
    };
    let keys = |plan: &Plan| -> Vec<String> {
        plan.tables
            .iter()
            .flat_map(|table| table.files.iter().map(|file| file.key.clone()))
            .collect()
    };
    let mut expected = keys(&plan(&options));
    expected.sort();
    for of in [1, 2, 3, 7, 400] {
        let mut found = Vec::new();
        for index in 1..=of {
            found.extend(keys(&plan(&Options {
                part: Some((index, of)),
                ..options.clone()
            })));
        }
        found.sort();
        assert_eq!(found, expected, "{of} shares");
    }
}

#[test]
fn ten_billion_rows_plan_without_overflow_and_any_part_of_them_can_be_made() {
    let plan = plan(&Options {
        rows: 10_000_000_000,
        part: Some((3, 400)),
        ..Options::default()
    });
    assert_eq!(plan.tables[13].rows, 10_000_000_000);
    let with_files = plan
        .tables
        .iter()
        .position(|table| !table.files.is_empty())
        .expect("a share has files");
    let table = &plan.tables[with_files];
    let mut out = Vec::new();
    let stats = plan.write_part(with_files, table.files.len() - 1, 0, &mut out);
    assert_eq!(stats.bytes, out.len() as u64);
    let text = String::from_utf8(out).expect("UTF-8");
    let last = text
        .lines()
        .last()
        .expect("rows")
        .split('|')
        .next()
        .expect("a key")
        .to_owned();
    let rows = &table.files[table.files.len() - 1].parts[0];
    assert_eq!(last.parse::<u64>().expect("a number"), rows.end);
}

#[test]
fn a_batch_of_days_is_a_slice_of_the_whole() {
    let day = lakeform_datagen::parse_date("2024-05-01").expect("a date");
    let whole = read(&plan(&Options {
        rows: 50_000,
        ..Options::default()
    }));
    let batch = read(&plan(&Options {
        rows: 50_000,
        days: Some((day, day + 2)),
        ..Options::default()
    }));
    let facts = &batch["fact_transactions"];
    assert!(!facts.rows.is_empty());
    let wanted: Vec<&Vec<String>> = whole["fact_transactions"]
        .rows
        .iter()
        .filter(|row| (1_583..=1_585).contains(&row[1].parse::<i64>().expect("a day")))
        .collect();
    assert_eq!(wanted, facts.rows.iter().collect::<Vec<_>>());
}

#[test]
fn dimensions_change_slowly_from_day_to_day() {
    let day = lakeform_datagen::parse_date("2024-05-01").expect("a date");
    let at = |day| {
        read(&plan(&Options {
            rows: 500_000,
            days: Some((day, day)),
            ..Options::default()
        }))
    };
    let (monday, tuesday, later) = (at(day), at(day + 1), at(day + 200));
    let moved = |a: &HashMap<String, Table>, b: &HashMap<String, Table>| {
        let (a, b) = (&a["customers"], &b["customers"]);
        for name in ["customer_id", "first_name", "email", "city"] {
            assert!(a.column(name).eq(b.column(name)), "{name} stays");
        }
        a.column("address")
            .zip(b.column("address"))
            .filter(|(a, b)| a != b)
            .count()
    };
    let (one, many) = (moved(&monday, &tuesday), moved(&monday, &later));
    // One in 5,000 each day, of 5,000 customers.
    assert!(one <= 8, "{one}");
    assert!((120..=280).contains(&many), "{many}");
}

/// What the dbt tests of the lakehouse would complain about: test, table, column and value.
fn complaints(plan: &Plan) -> BTreeSet<(&'static str, String, String, String)> {
    let tables = read(plan);
    let mut found = BTreeSet::new();
    for table in &plan.tables {
        let data = &tables[&table.name];
        let mut complain = |test, column: &str, value: &str| {
            found.insert((test, table.name.clone(), column.to_owned(), value.to_owned()));
        };
        let key = &table.columns[0].name;
        let mut seen = HashSet::new();
        for value in data.column(key) {
            if !seen.insert(value) {
                complain("unique", key, value);
            }
        }
        for column in &table.columns {
            let name = &column.name;
            if let Some((parent, of)) = column.references.as_ref().and_then(|to| to.split_once('.')) {
                let known: HashSet<&str> = tables[parent].column(of).collect();
                data.column(name)
                    .filter(|value| !known.contains(value))
                    .for_each(|value| complain("relationships", name, value));
            }
            if column.kind == "date" {
                data.column(name)
                    .filter(|value| lakeform_datagen::parse_date(value).is_none())
                    .for_each(|value| complain("is_date", name, value));
            }
        }
        let accepted: &[(&str, &str, &[&str])] = &[
            ("accounts", "account_type", &["Savings", "Checking", "Investment"]),
            ("loans", "loan_type", &["Mortgage", "Personal", "Auto", "Student"]),
            ("fact_loans", "loan_status", &["Pending", "Approved", "Rejected"]),
            (
                "fact_transactions",
                "transaction_status",
                &["Completed", "Pending", "Failed"],
            ),
            (
                "fact_customer_interactions",
                "interaction_type",
                &["Call", "Email", "Chat", "In-Person"],
            ),
        ];
        for (_, column, values) in accepted.iter().filter(|(name, _, _)| *name == table.name) {
            data.column(column)
                .filter(|value| !values.contains(value))
                .for_each(|value| complain("accepted_values", column, value));
        }
    }
    found
}

#[test]
fn clean_data_passes_every_test_and_dirty_data_fails_exactly_what_the_truth_lists() {
    let options = Options {
        rows: 20_000,
        ..Options::default()
    };
    assert_eq!(complaints(&plan(&options)), BTreeSet::new());
    let clean = read(&plan(&options));
    let dirty = plan(&Options {
        dirty: 0.005,
        ..options
    });
    let spoilt = read(&dirty);
    let mut expected = BTreeSet::new();
    for (index, table) in dirty.tables.iter().enumerate() {
        let key = &table.columns[0].name;
        let keys: Vec<&str> = clean[&table.name].column(key).collect();
        let by_key: HashMap<&str, usize> = spoilt[&table.name].column(key).zip(0..).collect();
        for dirt in dirty.file_truth(index, 0) {
            let own = keys[dirt.row as usize];
            let Some(column) = dirt.column else {
                expected.insert(("unique", table.name.clone(), key.clone(), own.to_owned()));
                continue;
            };
            let value = spoilt[&table.name]
                .column(&column)
                .nth(by_key[own])
                .expect("the row is there");
            assert_ne!(Some(value), dirt.original.as_deref());
            let test = match dirt.kind {
                DirtKind::Orphan => "relationships",
                DirtKind::BadDate => "is_date",
                // Blanks and capitals only show where the values are known.
                _ if column.ends_with("_type") || column.ends_with("_status") => "accepted_values",
                _ => continue,
            };
            expected.insert((test, table.name.clone(), column, value.to_owned()));
        }
    }
    let found = complaints(&dirty);
    let kinds: BTreeSet<&str> = found.iter().map(|complaint| complaint.0).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert_eq!(found, expected);
}

/// Checksums of the whole of each table. They change only when the data is meant to change: then raise the
/// dataset's or the generator's version with them.
#[test]
fn golden_checksums() {
    let plan = plan(&Options {
        rows: 10_000,
        part_bytes: 100_000,
        ..Options::default()
    });
    let mut found = String::new();
    for (index, table) in plan.tables.iter().enumerate() {
        let mut sum = 0;
        for part in (0..table.files[0].parts.len()).rev() {
            let mut out = Vec::new();
            plan.write_part(index, 0, part, &mut out);
            // From the last part to the first: the order must not matter.
            sum = crc64nvme_combine(crc64nvme(&out), sum, tail_len(&plan, index, part));
        }
        found.push_str(&format!("{} {sum:016x}\n", table.name));
    }
    snapbox::assert_data_eq!(found, snapbox::file!["golden/banking.txt"].raw());
}

fn tail_len(plan: &Plan, table: usize, after: usize) -> u64 {
    let parts = plan.tables[table].files[0].parts.len();
    (after + 1..parts)
        .map(|part| plan.write_part(table, 0, part, &mut Vec::new()).bytes)
        .sum()
}
