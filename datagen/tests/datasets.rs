//! The other shipped datasets: their quirks, and that what belongs together fits together.

use lakeform_datagen::{Dataset, Options, Plan, crc64nvme};
use std::collections::{HashMap, HashSet};

fn plan(name: &str, rows: u64) -> Plan {
    let dataset = Dataset::builtin(name).expect("shipped");
    dataset
        .plan(&Options {
            rows,
            ..Options::default()
        })
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn text(plan: &Plan, name: &str) -> String {
    let table = plan
        .tables
        .iter()
        .position(|table| table.name == name)
        .unwrap_or_else(|| panic!("no table {name}"));
    let mut out = Vec::new();
    for (file, parts) in plan.tables[table].files.iter().map(|file| file.parts.len()).enumerate() {
        for part in 0..parts {
            plan.write_part(table, file, part, &mut out);
        }
    }
    String::from_utf8(out).expect("UTF-8")
}

fn rows(text: &str, delimiter: char) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(delimiter).collect()).collect()
}

#[test]
fn every_shipped_dataset_plans_from_nothing_to_ten_billion_rows() {
    for name in Dataset::builtin_names() {
        for rows in [0, 1, 100] {
            let plan = plan(name, rows);
            for (index, table) in plan.tables.iter().enumerate() {
                let mut out = Vec::new();
                let written: u64 = (0..table.files.len())
                    .map(|file| plan.write_part(index, file, 0, &mut out).rows)
                    .sum();
                assert_eq!(written, table.rows, "{name}.{} {rows}", table.name);
            }
        }
    }
    for name in ["banking", "sparkify"] {
        assert!(!plan(name, 10_000_000_000).tables.is_empty());
    }
}

#[test]
fn tickit_has_its_365_days_and_sales_agree_with_their_listings() {
    let plan = plan("tickit", 20_000);
    let dates = text(&plan, "date");
    let dates = rows(&dates, '|');
    assert_eq!(dates.len(), 365);
    assert_eq!(dates[0], ["1827", "2008-01-01", "TU", "1", "JAN", "1", "2008", "TRUE"]);
    assert_eq!(dates[59][..2], ["1886", "2008-03-01"]);
    assert_eq!(dates[364][..2], ["2191", "2008-12-31"]);
    let categories = text(&plan, "category");
    assert!(categories.starts_with("1|Sports|MLB|Major League Baseball\n"));
    let listings = text(&plan, "listing");
    let listings: HashMap<&str, Vec<&str>> = rows(&listings, '|').into_iter().map(|row| (row[0], row)).collect();
    let days: HashMap<&str, &str> = dates.iter().map(|row| (row[0], row[1])).collect();
    let sales = text(&plan, "sales");
    for sale in rows(&sales, '\t') {
        let listing = &listings[sale[1]];
        assert_eq!((sale[2], sale[4]), (listing[1], listing[2]), "seller and event");
        let number = |text: &str| (text.parse::<f64>().expect("a number") * 100.0).round() as i64;
        assert_eq!(number(sale[7]), number(sale[6]) / 100 * number(listing[5]));
        assert!((number(sale[8]) * 100 - number(sale[7]) * 15).abs() <= 50, "{sale:?}");
        let day = days[sale[5]];
        assert!(
            sale[9].starts_with(&format!("{}/{}/{} ", &day[5..7], &day[8..10], &day[..4])),
            "{sale:?}"
        );
    }
    let users = text(&plan, "users");
    assert!(
        rows(&users, '|')
            .iter()
            .all(|row| row.len() == 18 && row[7].len() == 14 && row[1].len() == 8)
    );
    assert!(users.contains("|\\N|"));
}

#[test]
fn sparkify_logs_are_coherent_sessions_and_songs_have_an_object_each() {
    let plan = plan("sparkify", 8_056);
    let keys: Vec<&str> = plan.tables[0].files.iter().map(|file| file.key.as_str()).collect();
    assert_eq!(keys.len(), 30);
    assert_eq!(keys[0], "log_data/2018/11/2018-11-01-events.json");
    assert_eq!(plan.extras[0].0, "log_json_path.json");
    serde_json::from_str::<serde_json::Value>(&plan.extras[0].1).expect("JSON");
    let songs = &plan.tables[1];
    assert_eq!(songs.files.len() as u64, songs.rows);
    let distinct: HashSet<&str> = songs.files.iter().map(|file| file.key.as_str()).collect();
    assert_eq!(distinct.len(), songs.files.len());
    let song = text(&plan, "song_data");
    let songs: HashSet<(String, String)> = song
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|song| (song["artist_name"].to_string(), song["title"].to_string()))
        .collect();
    let mut last: HashMap<String, (i64, i64, String)> = HashMap::new();
    let mut logged_out = 0;
    for line in text(&plan, "log_data").lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let keys: Vec<&String> = event.as_object().expect("an object").keys().collect();
        assert_eq!(keys.len(), 18);
        let next_song = event["page"] == "NextSong";
        assert_eq!(
            next_song,
            !event["song"].is_null() && !event["artist"].is_null() && !event["length"].is_null()
        );
        if next_song {
            assert!(songs.contains(&(event["artist"].to_string(), event["song"].to_string())));
        }
        let out = event["auth"] == "Logged Out";
        logged_out += usize::from(out);
        assert_eq!(out, event["userId"] == "" && event["firstName"].is_null());
        let session = event["sessionId"].to_string();
        let now = (
            event["ts"].as_i64().expect("a number"),
            event["itemInSession"].as_i64().expect("a number"),
            event["userId"].to_string(),
        );
        if let Some(before) = last.insert(session, now.clone()) {
            assert!(
                before.0 <= now.0 && before.1 + 1 == now.1 && before.2 == now.2,
                "{before:?} {now:?}"
            );
        }
    }
    assert!((100..600).contains(&logged_out), "{logged_out}");
}

#[test]
fn game_amounts_have_a_decimal_comma_and_bets_have_one_player() {
    let plan = plan("game", 9_000);
    let transactions = text(&plan, "stg_gamestransaction");
    let rows = rows(&transactions, ';');
    let header = &rows[0];
    assert_eq!(
        header.join(" "),
        "date realamount bonusamount channeluid txcurrency gameid txtype betid playerid"
    );
    let mut bets: HashMap<&str, Vec<&Vec<&str>>> = HashMap::new();
    for row in &rows[1..] {
        assert!(row[1].contains(',') && !row[1].contains('.'), "{row:?}");
        bets.entry(row[7]).or_default().push(row);
    }
    assert_eq!(bets.len(), 4_500);
    for rows in bets.values() {
        assert_eq!((rows[0][6], rows[1][6]), ("WAGER", "RESULT"));
        assert_eq!(
            (rows[0][8], rows[0][5], rows[0][4]),
            (rows[1][8], rows[1][5], rows[1][4])
        );
    }
    let rates = text(&plan, "stg_currencyexchange");
    assert!(rates.lines().any(|line| line.starts_with("2017-04-07;")));
    assert!(rates.contains(";EUR;1.00000"));
}

#[test]
fn golden_checksums() {
    let mut found = String::new();
    for name in Dataset::builtin_names() {
        let plan = plan(name, 1_000);
        for table in &plan.tables {
            found.push_str(&format!(
                "{name}.{} {:016x}\n",
                table.name,
                crc64nvme(text(&plan, &table.name).as_bytes())
            ));
        }
    }
    snapbox::assert_data_eq!(found, snapbox::file!["golden/all.txt"].raw());
}
