//! Triggers that wait for crawls and for the clock.

use serde_json::{Value, json};

use super::World;

impl World {
    /// Crawlers of these names over the same folder.
    async fn crawlers(&self, names: &[&str]) {
        self.database().await;
        self.put("raw/a.csv", "id,name\n1,x\n2,y\n").await;
        for name in names {
            self.crawler(json!({"Name": name, "TablePrefix": format!("{name}_")}))
                .await;
        }
    }

    async fn start(&self, name: &str, crawls: usize) -> Value {
        self.ok("StartCrawler", json!({"Name": name})).await;
        self.ended(name, crawls).await
    }

    /// How often a crawler was started. The end of a crawl and the start of the next by a trigger are one write.
    async fn starts(&self, name: &str) -> usize {
        let history = self.ok("ListCrawls", json!({"CrawlerName": name})).await;
        history["Crawls"].as_array().unwrap().len()
    }
}

fn when(crawler: &str, state: &str) -> Value {
    json!({"LogicalOperator": "EQUALS", "CrawlerName": crawler, "CrawlState": state})
}

#[tokio::test]
async fn a_trigger_waits_for_all_of_its_crawls_each_time() {
    let world = World::new().await;
    world.crawlers(&["a", "b", "last"]).await;
    let both = json!({
        "Name": "both", "Type": "CONDITIONAL", "StartOnCreation": true, "Actions": [{"CrawlerName": "last"}],
        "Predicate": {"Logical": "AND", "Conditions": [when("a", "SUCCEEDED"), when("b", "SUCCEEDED")]},
    });
    world.ok("CreateTrigger", both).await;
    world.start("a", 1).await;
    world.start("a", 2).await;
    assert_eq!(world.starts("last").await, 0);
    world.start("b", 1).await;
    world.ended("last", 1).await;
    // It waits for both anew.
    world.start("b", 2).await;
    assert_eq!(world.starts("last").await, 1);
    world.start("a", 3).await;
    world.ended("last", 2).await;
    world.ok("StopTrigger", json!({"Name": "both"})).await;
    world.start("a", 4).await;
    world.start("b", 3).await;
    assert_eq!(world.starts("last").await, 2);
}

#[tokio::test]
async fn a_trigger_may_wait_for_any_failure() {
    let world = World::new().await;
    world.crawlers(&["a", "b", "last"]).await;
    let any = json!({
        "Name": "any", "Type": "CONDITIONAL", "StartOnCreation": true, "Actions": [{"CrawlerName": "last"}],
        "Predicate": {"Logical": "ANY", "Conditions": [when("a", "FAILED"), when("b", "FAILED")]},
    });
    world.ok("CreateTrigger", any).await;
    assert_eq!(world.start("a", 1).await["LastCrawl"]["Status"], "SUCCEEDED");
    assert_eq!(world.starts("last").await, 0);
    world.allow("glue:*").await;
    assert_eq!(world.start("b", 1).await["LastCrawl"]["Status"], "FAILED");
    assert_eq!(world.ended("last", 1).await["LastCrawl"]["Status"], "FAILED");
}

#[tokio::test]
async fn schedules_fire_by_the_clock_and_once_for_what_was_missed() {
    let world = World::new().await;
    let clock = &world.local.cloud().clock;
    // 2026-01-01 00:00:30
    clock.freeze(Some(1_767_225_630.0));
    world.crawlers(&["a", "b"]).await;
    let hourly = "cron(0 * * * ? *)";
    world
        .ok("UpdateCrawlerSchedule", json!({"CrawlerName": "a", "Schedule": hourly}))
        .await;
    let trigger = json!({
        "Name": "daily", "Type": "SCHEDULED", "Schedule": "cron(30 0 * * ? *)", "StartOnCreation": true,
        "Actions": [{"CrawlerName": "b"}],
    });
    world.ok("CreateTrigger", trigger).await;
    clock.advance(1800.0);
    world.ended("b", 1).await;
    assert_eq!(world.starts("a").await, 0);
    clock.advance(1800.0);
    world.ended("a", 1).await;
    // Five hours at once are one start, as nobody was there for the others.
    clock.advance(5.0 * 3600.0);
    world.ended("a", 2).await;
    assert_eq!((world.starts("a").await, world.starts("b").await), (2, 1));
    world.ok("StopCrawlerSchedule", json!({"CrawlerName": "a"})).await;
    clock.advance(24.0 * 3600.0);
    world.ended("b", 2).await;
    assert_eq!(world.starts("a").await, 2);
}
