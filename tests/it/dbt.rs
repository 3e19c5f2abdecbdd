//! dbt itself, unmodified, against the local Redshift: as a resource of a stack and as `lakeform dbt`.

use crate::python::Python;
use crate::sandbox::{Said, Sandbox, copy};
use std::path::Path;

/// A folder with the test stack in `shop`, and dbt on the search path.
struct Shop {
    sandbox: Sandbox,
    path: std::ffi::OsString,
}

impl Shop {
    fn new() -> Self {
        let python = Python::of("dbt");
        let sandbox = Sandbox::new();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dbt");
        copy(&from.join("project"), &sandbox.path().join("shop/project"));
        std::fs::copy(from.join("stack.toml"), sandbox.path().join("shop/stack.toml")).expect("copied");
        let bin = python.program("dbt").get_program().to_owned();
        let bin = Path::new(&bin).parent().expect("a folder").to_owned();
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&rest))).expect("a path");
        Self { sandbox, path }
    }

    fn run(&self, args: &[&str]) -> Said {
        let mut command = self.sandbox.command(args);
        command.env("PATH", &self.path).env("DBT_USE_COLORS", "false");
        Said::of(&mut command)
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "`lakeform {}` said:\n{}", args.join(" "), said.all);
        said
    }

    #[track_caller]
    fn dbt(&self, args: &[&str]) -> Said {
        self.ok(&[&["dbt", "--stack", "shop"], args].concat())
    }

    fn rows(&self, sql: &str) -> String {
        self.ok(&["sql", "--stack", "shop", "--csv", sql]).stdout
    }

    fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.sandbox.path().join("shop").join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(path, text.replace(from, to)).expect("written");
    }
}

#[test]
fn a_dbt_project_is_built_kept_and_built_again_when_it_changes() {
    let shop = Shop::new();
    let early = shop.run(&["dbt", "--stack", "shop", "debug"]);
    assert_eq!(early.code, 1, "{}", early.all);
    assert!(early.all.contains("`lakeform up`"), "{}", early.all);
    shop.ok(&["apply", "--stack", "shop", "--yes"]);
    let totals = "select customer_id, total, place from shop.customers_with_totals order by 1";
    assert_eq!(
        shop.rows(totals),
        "customer_id,total,place\n1,10.51,3\n2,99.99,2\n3,1000000.00,1\n"
    );
    // No password is written anywhere.
    let profile = std::fs::read_to_string(shop.sandbox.path().join("shop/state/shop/dbt/dbt.shop/profiles.yml"));
    assert!(profile.expect("a profile").contains("DBT_ENV_SECRET_LAKEFORM_SQL"));

    // A second apply has nothing to do; what dbt is asked to do by hand changes nothing of that.
    assert_eq!(shop.ok(&["plan", "--stack", "shop", "--detailed-exitcode"]).code, 0);
    shop.dbt(&["debug"]);
    let fresh = shop.dbt(&["source", "freshness"]);
    assert!(fresh.all.contains("1 of 1 PASS"), "{}", fresh.all);
    let counted = shop.dbt(&["run-operation", "count_of", "--args", "{relation: shop.merged}"]);
    assert!(counted.all.contains("count of shop.merged is 3"), "{}", counted.all);
    let wrong = shop.run(&["dbt", "--stack", "shop", "run", "--no-such-option"]);
    assert_eq!(wrong.code, 1, "{}", wrong.all);
    shop.dbt(&["docs", "generate"]);
    let catalog = std::fs::read_to_string(
        shop.sandbox
            .path()
            .join("shop/state/shop/dbt/dbt.shop/target/catalog.json"),
    );
    let catalog: serde_json::Value = serde_json::from_str(&catalog.expect("a catalog")).expect("JSON");
    let table = &catalog["nodes"]["model.shop.customers_with_totals"];
    assert_eq!(table["metadata"]["type"], "BASE TABLE", "{table}");
    assert_eq!(table["metadata"]["comment"], "One row for each customer.");
    assert_eq!(table["columns"]["customer_id"]["comment"], "The customer's number.");
    assert_eq!(
        catalog["nodes"]["model.shop.late_binding"]["columns"]["orders"]["type"], "bigint",
        "{catalog}"
    );
    assert_eq!(shop.ok(&["plan", "--stack", "shop", "--detailed-exitcode"]).code, 0);

    // New days arrive: every incremental strategy takes them in, a new column too.
    shop.replace("stack.toml", "until = \"2024-01-03\"", "until = \"2024-01-05\"");
    let plan = shop.run(&["plan", "--stack", "shop", "--detailed-exitcode"]);
    assert_eq!(plan.code, 2, "{}", plan.all);
    assert!(plan.all.contains("0 to add, 1 to change, 0 to destroy"), "{}", plan.all);
    shop.ok(&["apply", "--stack", "shop", "--yes"]);
    assert_eq!(shop.rows("select count(*) as n from shop.appended"), "n\n6\n");
    // Microbatch looks at this year and the last; what is older is made again when it is asked for.
    let by_year = "select count(*) as n from shop.by_year";
    assert_eq!(shop.rows(by_year), "n\n4\n");
    let (start, end) = (["--event-time-start", "2024-01-01"], ["--event-time-end", "2025-01-01"]);
    shop.dbt(&[&["run", "--select", "by_year"][..], &start, &end].concat());
    assert_eq!(shop.rows(by_year), "n\n6\n");
    assert_eq!(
        shop.rows("select amount, notes from shop.merged where customer_id = 2"),
        "amount,notes\n104.99,none; late\n"
    );
    assert_eq!(
        shop.rows("select count(*) as n, sum(orders) as o from shop.replaced"),
        "n,o\n6,6\n"
    );
    let versions = "select count(*) as n, count(dbt_valid_to) as ended from shop.totals_over_time";
    assert_eq!(shop.rows(versions), "n,ended\n5,2\n");
    assert_eq!(
        shop.rows("select has_table_privilege('reader', 'shop.customers_with_totals', 'select') as may"),
        "may\ntrue\n"
    );

    // A model that fails is a step that failed, in dbt's words.
    shop.replace("project/models/marts/contracted.sql", "from", "form");
    let failed = shop.run(&["apply", "--stack", "shop", "--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.all);
    assert!(
        failed.all.contains("Database Error in model contracted"),
        "{}",
        failed.all
    );
    assert!(failed.all.contains("syntax error"), "{}", failed.all);
}

#[test]
fn without_dbt_it_is_said_before_anything_is_done() {
    let shop = Shop::new();
    let said = shop.sandbox.run(&["apply", "--stack", "shop", "--yes"]);
    assert_eq!(said.code, 1, "{}", said.all);
    assert!(
        said.all.contains("dbt is not installed") && said.all.contains("pip install"),
        "{}",
        said.all
    );
    assert_eq!(
        shop.sandbox.ok(&["state", "list", "--stack", "shop", "--json"]).stdout,
        "{}\n"
    );
    std::fs::remove_file(shop.sandbox.path().join("shop/project/dbt_project.yml")).expect("removed");
    let said = shop.sandbox.run(&["check", "--stack", "shop"]);
    assert_eq!(said.code, 1, "{}", said.all);
    assert!(said.all.contains("missing-project"), "{}", said.all);
}

#[test]
fn the_shipped_project_makes_silver_and_gold_of_the_bank() {
    let shop = Shop::new();
    shop.ok(&["init", "lakehouse-dbt", "bank"]);
    shop.ok(&["up", "--stack", "bank"]);
    let rows = |sql: &str| shop.ok(&["sql", "--stack", "bank", "--csv", sql]).stdout;
    assert_eq!(rows("select count(*) as n from dev_gold.transactions"), "n\n10000\n");
    assert_eq!(
        rows("select count(*) as n from dev_gold.customers where wealth_rank = 1"),
        "n\n1\n"
    );
    // More data: dbt runs again because of it, and nothing else does.
    shop.ok(&["datagen", "--stack", "bank", "--rows", "12k"]);
    assert_eq!(rows("select count(*) as n from dev_gold.transactions"), "n\n12000\n");
    assert_eq!(shop.ok(&["plan", "--stack", "bank", "--detailed-exitcode"]).code, 0);
}
