//! The same two tables, made the way one would without thinking about speed: a struct per row, the `fake` crate for
//! names, serde and csv.

use fake::Fake;
use fake::faker::{address, internet, lorem, name};
use fake::rand::rngs::Xoshiro256PlusPlus;
use fake::rand::{RngExt, SeedableRng};
use serde::Serialize;

#[derive(Serialize)]
struct Transaction {
    transaction_id: u64,
    account_id: u64,
    date_id: u32,
    type_id: u32,
    location_id: u32,
    currency: &'static str,
    channel: &'static str,
    amount: String,
    at: String,
    status: &'static str,
    reference: String,
    note: Option<String>,
}

pub fn transactions(rows: u64) -> (u64, u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(42);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for transaction_id in 1..=rows {
        let bits: u128 = u128::from(rng.random::<u64>()) << 64 | u128::from(rng.random::<u64>());
        let hex = format!("{bits:032x}");
        let cents: u64 = rng.random_range(100..1_000_000);
        let day: u32 = rng.random_range(1..=28);
        let note = if rng.random_bool(0.4) {
            let words: Vec<String> = lorem::en::Words(2..5).fake_with_rng(&mut rng);
            Some(words.join(" "))
        } else {
            None
        };
        writer
            .serialize(Transaction {
                transaction_id,
                account_id: rng.random_range(1..=rows),
                date_id: rng.random_range(1..=1_827),
                type_id: rng.random_range(1..=4),
                location_id: rng.random_range(1..=5_000),
                currency: ["USD", "EUR", "JPY"][rng.random_range(0..3)],
                channel: ["Online", "Mobile App", "In-Store", "ATM", "Telephone"][rng.random_range(0..5)],
                amount: format!("{}.{:02}", cents / 100, cents % 100),
                at: format!(
                    "2024-{:02}-{day:02} {:02}:{:02}:{:02}",
                    rng.random_range(1..=12),
                    rng.random_range(0..24),
                    rng.random_range(0..60),
                    rng.random_range(0..60)
                ),
                status: ["Completed", "Pending", "Failed"][rng.random_range(0..3)],
                reference: format!(
                    "{}-{}-{}-{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[12..16],
                    &hex[16..20],
                    &hex[20..]
                ),
                note,
            })
            .expect("memory takes every row");
    }
    (writer.into_inner().expect("memory takes every row").len() as u64, rows)
}

#[derive(Serialize)]
struct Customer {
    customer_id: u64,
    first_name: String,
    last_name: String,
    email: String,
    phone: String,
    born: String,
    address: String,
    city: String,
    state: String,
    zip: String,
    country: &'static str,
    created_at: String,
}

pub fn customers(rows: u64) -> (u64, u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(42);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for customer_id in 1..=rows {
        let street: String = address::en::StreetName().fake_with_rng(&mut rng);
        writer
            .serialize(Customer {
                customer_id,
                first_name: name::en::FirstName().fake_with_rng(&mut rng),
                last_name: name::en::LastName().fake_with_rng(&mut rng),
                email: internet::en::SafeEmail().fake_with_rng(&mut rng),
                phone: format!("({}) 555-01{:02}", rng.random_range(201..990), rng.random_range(0..100)),
                born: format!(
                    "{}-{:02}-{:02}",
                    rng.random_range(1940..2007),
                    rng.random_range(1..13),
                    rng.random_range(1..29)
                ),
                address: format!(
                    "{} {street}, Apt. {}",
                    rng.random_range(1..9_999),
                    rng.random_range(0..99)
                ),
                city: address::en::CityName().fake_with_rng(&mut rng),
                state: address::en::StateAbbr().fake_with_rng(&mut rng),
                zip: format!("{:05}", rng.random_range(0..99_999)),
                country: "US",
                created_at: format!(
                    "2024-{:02}-{:02} {:02}:{:02}:{:02}",
                    rng.random_range(1..=12),
                    rng.random_range(1..29),
                    rng.random_range(0..24),
                    rng.random_range(0..60),
                    rng.random_range(0..60)
                ),
            })
            .expect("memory takes every row");
    }
    (writer.into_inner().expect("memory takes every row").len() as u64, rows)
}
