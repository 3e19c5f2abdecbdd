//! `secret`. The value is made here, sent to Secrets Manager, and kept nowhere.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Result, Says, accept, found};
use crate::provider::{
    self, ask_created, ask_updated, changes, claim, keep, live, name_of, outputs, tag_change, typed,
};
use crate::tags::{self, Tags, sdk_tags};
use crate::wait::{Look, Patience, busy, retry, until};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::Tag;
use futures::future::try_join_all;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Live};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    generate: Generate,
    #[serde(default = "week")]
    recovery_days: i64,
    #[serde(default)]
    tags: Tags,
}

fn week() -> i64 {
    7
}

#[derive(Debug, Serialize, Deserialize)]
struct Generate {
    #[serde(default = "usual_length")]
    length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

fn usual_length() -> usize {
    32
}

impl Default for Generate {
    fn default() -> Self {
        Self {
            length: usual_length(),
            user: None,
        }
    }
}

impl Generate {
    fn value(&self) -> String {
        let password = password(self.length);
        match &self.user {
            Some(user) => serde_json::json!({"username": user, "password": password}).to_string(),
            None => password,
        }
    }
}

/// Letters and digits, some of each, which every database takes.
fn password(length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    // The largest multiple of the alphabet below 256, so that every letter is equally likely.
    let fair = 256 - 256 % LETTERS.len();
    loop {
        let password: String = std::iter::repeat_with(Uuid::new_v4)
            // Bytes 6 and 8 of a UUID are partly fixed.
            .flat_map(|uuid| {
                uuid.into_bytes()
                    .into_iter()
                    .enumerate()
                    .filter(|(at, _)| *at != 6 && *at != 8)
            })
            .map(|(_, byte)| usize::from(byte))
            .filter(|byte| *byte < fair)
            .map(|byte| char::from(LETTERS[byte % LETTERS.len()]))
            .take(length)
            .collect();
        let has = |test: fn(&char) -> bool| password.chars().any(|c| test(&c));
        if has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit) {
            return password;
        }
    }
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    // Listing may be five minutes behind, so each is described.
    try_join_all(asks.iter().map(|ask| read_one(aws, ask))).await
}

async fn read_one(aws: &Aws, ask: &Ask) -> Result<Option<Live>> {
    let Some(name) = name_of(ask, "name") else {
        return Ok(None);
    };
    Ok(describe(aws, &name)
        .await?
        .filter(|secret| secret.deleted_date.is_none())
        .map(|secret| to_live(secret, ask)))
}

async fn describe(aws: &Aws, name: &str) -> Result<Option<DescribeSecretOutput>> {
    found(
        aws.secrets
            .describe_secret()
            .secret_id(name)
            .send()
            .await
            .doing("read the secret"),
    )
}

fn to_live(secret: DescribeSecretOutput, ask: &Ask) -> Live {
    let (tags, owner) = tags::split(tag_pairs(&secret));
    let name = secret.name.unwrap_or_default();
    let arn = secret.arn.unwrap_or_default();
    let wanted = Wanted {
        name: name.clone(),
        description: secret.description.unwrap_or_default(),
        generate: Generate::default(),
        recovery_days: week(),
        tags,
    };
    let mut live = live(&name, &wanted, outputs! { name: name.as_str(), arn: arn }, owner);
    keep(&mut live, &ask.fields, &["generate", "recovery_days"]);
    if let Some(service) = secret.owning_service {
        live.extras.push(format!("it belongs to the service {service}"));
    }
    live
}

fn tag_pairs(secret: &DescribeSecretOutput) -> Vec<(String, String)> {
    secret
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())))
        .collect()
}

/// How long a name stays taken after a deletion at once.
fn patience(aws: &Aws) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 5),
        Pace::Aws => Patience::new(Pace::Aws, 120),
    }
}

fn scheduled(error: &CloudError) -> bool {
    error.has_code(&["InvalidRequestException"])
        && (error.message.contains("scheduled for deletion") || error.message.contains("was deleted"))
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the secret";
    let wanted: Wanted = typed(&create.fields)?;
    let name = &wanted.name;
    let ask = ask_created(create, name);
    let tags = tags::join(&create.owner, &wanted.tags);
    let value = wanted.generate.value();
    let issue = async || {
        aws.secrets
            .create_secret()
            .name(name)
            .set_description(Some(wanted.description.clone()).filter(|text| !text.is_empty()))
            .client_request_token(&create.owner.op)
            .secret_string(&value)
            .set_tags(Some(sdk_tags!(tags, Tag)))
            .send()
            .await
            .doing(doing)
    };
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    match issue().await {
        Err(error) if scheduled(&error) => restore(aws, create, &wanted, &tags, &value, error, report).await?,
        made => claim(aws, made, create, report, shown).await?,
    }
    report(Progress::Made { id: name.clone() });
    provider::visible(aws, doing, report, shown).await
}

/// The name belongs to a secret that waits for its deletion: ours comes back with a new value, another's stays.
async fn restore(
    aws: &Aws,
    create: &Create,
    wanted: &Wanted,
    tags: &Tags,
    value: &str,
    refusal: CloudError,
    report: Report<'_>,
) -> Result<()> {
    let name = &wanted.name;
    let old: Tags = describe(aws, name)
        .await?
        .map(|secret| tag_pairs(&secret).into_iter().collect())
        .unwrap_or_default();
    let owner = tags::split(old.clone()).1;
    let ours = owner.is_some_and(|was| was.stack == create.owner.stack && was.address == create.owner.address);
    if !ours {
        return Err(refusal.hint(format!("the name `{name}` is free again when that deletion is through")));
    }
    report(Progress::State(
        "restoring the secret that was scheduled for deletion".to_owned(),
    ));
    retry(patience(aws), report, busy, async || {
        aws.secrets
            .restore_secret()
            .secret_id(name)
            .send()
            .await
            .doing("restore the secret")
    })
    .await?;
    aws.secrets
        .tag_resource()
        .secret_id(name)
        .set_tags(Some(sdk_tags!(tags, Tag)))
        .send()
        .await
        .doing("tag the secret")?;
    let gone: Vec<String> = old.into_keys().filter(|key| !tags.contains_key(key)).collect();
    if !gone.is_empty() {
        let request = aws.secrets.untag_resource().secret_id(name).set_tag_keys(Some(gone));
        request.send().await.doing("remove tags")?;
    }
    let request = aws
        .secrets
        .update_secret()
        .secret_id(name)
        .description(&wanted.description);
    request
        .client_request_token(&create.owner.op)
        .secret_string(value)
        .send()
        .await
        .doing("write the secret")?;
    Ok(())
}

pub(crate) async fn update(aws: &Aws, update: &Update, _report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    let change = tag_change(update)?;
    if !change.set.is_empty() {
        let request = aws
            .secrets
            .tag_resource()
            .secret_id(&update.id)
            .set_tags(Some(sdk_tags!(change.set, Tag)));
        request.send().await.doing("set tags")?;
    }
    if !change.remove.is_empty() {
        let request = aws
            .secrets
            .untag_resource()
            .secret_id(&update.id)
            .set_tag_keys(Some(change.remove));
        request.send().await.doing("remove tags")?;
    }
    if changes(update, &["description"]) {
        let request = aws
            .secrets
            .update_secret()
            .secret_id(&update.id)
            .description(&wanted.description);
        request.send().await.doing("describe the secret")?;
    }
    if changes(update, &["generate"]) {
        let request = aws
            .secrets
            .put_secret_value()
            .secret_id(&update.id)
            .secret_string(wanted.generate.value());
        request
            .client_request_token(&update.owner.op)
            .send()
            .await
            .doing("write a new value")?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, "change the secret")
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let doing = "delete the secret";
    let days = delete
        .fields
        .get("recovery_days")
        .and_then(|days| days.as_int())
        .unwrap_or_else(week);
    let request = aws.secrets.delete_secret().secret_id(&delete.id);
    let request = match days {
        0 => request.force_delete_without_recovery(true),
        // AWS takes 7 to 30.
        days => request.recovery_window_in_days(days.clamp(7, 30)),
    };
    match request.send().await.doing(doing) {
        Err(error) if scheduled(&error) => return Ok(()),
        other => accept(other, Meaning::NotFound)?,
    }
    until(patience(aws), doing, report, async || {
        let left = describe(aws, &delete.id)
            .await?
            .filter(|secret| secret.deleted_date.is_none());
        Ok(if left.is_none() {
            Look::Done(())
        } else {
            Look::Pending("deleting".to_owned())
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_the_length_and_the_letters_that_databases_want() {
        for length in [16, 32, 64] {
            let password = password(length);
            assert_eq!(password.len(), length);
            assert!(password.chars().all(|c| c.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn a_user_makes_the_value_a_document() {
        let generate = Generate {
            length: 20,
            user: Some("ada".to_owned()),
        };
        let value: serde_json::Value = serde_json::from_str(&generate.value()).expect("JSON");
        assert_eq!(value["username"], "ada");
        assert_eq!(value["password"].as_str().map(str::len), Some(20));
    }
}
