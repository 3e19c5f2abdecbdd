//! The reference pages say what the program knows. `SNAPSHOTS=overwrite` writes them anew.

use std::path::Path;

/// Holds the part of a page between its markers against what it must be.
fn part(page: &str, name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).expect("a page");
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = text.split_once(&begin).expect("the first marker");
    let (actual, after) = rest.split_once(&end).expect("the last marker");
    let wanted = format!("\n{}\n\n", wanted.trim());
    if actual == wanted {
        return;
    }
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        std::fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).expect("written");
        return;
    }
    panic!("{page} is out of date: run the tests once with SNAPSHOTS=overwrite");
}

#[test]
fn the_page_of_kinds_is_what_check_knows() {
    part("stacks/README.md", "kinds", &lakeform_engine::docs::kinds_markdown());
    part("stacks/README.md", "codes", &lakeform_engine::docs::codes_markdown());
}
