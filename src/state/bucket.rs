//! The state of a stack in a bucket, for teams: one object for each write of journal entries and for each holder, every
//! one written only if nothing has that name yet. README.md in this folder says why nothing is lost or done twice.

use super::lease::{BEAT, Holder, LEASE, Lease};
use super::{locked, read};
use crate::error::CommandError;
use futures::stream::{StreamExt, TryStreamExt};
use lakeform_aws::Aws;
use lakeform_engine::CloudError;
use lakeform_engine::cloud::Meaning;
use lakeform_engine::journal::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// So many objects beyond the last copy of the whole journal make a new copy worth writing.
const LOOSE: u64 = 200;
/// Objects read at the same time.
const READS: usize = 32;
/// How often an object is written anew that another writer is at.
const TRIES: u32 = 20;

/// Where the state of one stack is.
#[derive(Clone)]
pub struct Place {
    aws: Aws,
    bucket: String,
    /// Ends with `/`.
    prefix: String,
}

/// The journal and lock of one stack, held by this process.
pub struct Bucket {
    place: Place,
    /// The number of the last object of entries.
    last: u64,
    holder: Holder,
}

/// A journal as it lies in the bucket.
struct Journal {
    text: String,
    last: u64,
    /// Objects that no copy of the whole holds.
    loose: u64,
}

impl Place {
    /// Reads `s3://bucket/prefix`, as check lets it through.
    pub fn new(aws: Aws, url: &str, stack: &str) -> Self {
        let rest = url.strip_prefix("s3://").unwrap_or(url);
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = match prefix.trim_end_matches('/') {
            "" => format!("{stack}/"),
            prefix => format!("{prefix}/{stack}/"),
        };
        Self {
            aws,
            bucket: bucket.to_owned(),
            prefix,
        }
    }

    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    fn key(&self, folder: &str, number: u64) -> String {
        format!("{}{folder}/{number:012}.json", self.prefix)
    }

    /// Returns the numbers of the objects in a folder, in order.
    async fn numbers(&self, folder: &str) -> Result<Vec<u64>, CloudError> {
        let listed = self
            .aws
            .list_objects(&self.bucket, &format!("{}{folder}/", self.prefix))
            .await?;
        Ok(listed
            .iter()
            .filter_map(|object| object.key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok())
            .collect())
    }

    async fn text(&self, key: &str) -> Result<String, CloudError> {
        let doing = || format!("read s3://{}/{key}", self.bucket);
        let (bytes, _) = self
            .aws
            .get_object(&self.bucket, key)
            .await?
            .ok_or_else(|| CloudError::new(Meaning::NotFound, doing(), "it is gone"))?;
        String::from_utf8(bytes.to_vec()).map_err(|error| CloudError::new(Meaning::Failed, doing(), error.to_string()))
    }

    /// Writes an object unless one has the name already; says whether it is ours. An answer that was lost on the way
    /// makes the repeated request find its own object.
    async fn claim(&self, key: &str, text: &str) -> Result<bool, CloudError> {
        Ok(self.write_new(key, text).await? || self.text(key).await? == text)
    }

    /// Writes an object unless one has the name already; says whether it did.
    async fn write_new(&self, key: &str, text: &str) -> Result<bool, CloudError> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let body = text.to_owned().into_bytes().into();
            match self.aws.put_object(&self.bucket, key, body, None, true).await {
                Ok(_) => return Ok(true),
                Err(error) if error.meaning == Meaning::AlreadyExists => return Ok(false),
                // Another writer is at it at this very moment, and may yet fail.
                Err(error) if error.meaning == Meaning::Busy && tries > 0 => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Fails where `If-None-Match` does not count: nothing would keep two holders apart, nor a zombie from writing. Some
    /// endpoints take the header and overwrite all the same, which only a second write of our own lock shows.
    async fn prove_exclusive(&self, key: &str, text: &str) -> Result<(), CommandError> {
        if !self.write_new(key, text).await.map_err(|error| self.explain(error))? {
            return Ok(());
        }
        let ours = vec![key.to_owned()];
        self.aws
            .delete_objects(&self.bucket, ours)
            .await
            .map_err(|error| self.explain(error))?;
        Err(CommandError::new(format!(
            "{} cannot be held: where it lies, `If-None-Match` is ignored, and two could hold it at once",
            self.url()
        ))
        .hint(
            "keep the state in a bucket of AWS, or of an S3 that refuses to overwrite when asked; nothing was changed",
        ))
    }

    async fn journal(&self) -> Result<Journal, CloudError> {
        let (copies, numbers) = futures::try_join!(self.numbers("whole"), self.numbers("journal"))?;
        let copied = copies.last().copied().unwrap_or(0);
        let mut text = match copied {
            0 => String::new(),
            copied => self.text(&self.key("whole", copied)).await?,
        };
        let loose: Vec<u64> = numbers.into_iter().filter(|number| *number > copied).collect();
        if let Some((number, expected)) = loose
            .iter()
            .zip(copied + 1..)
            .find(|(number, expected)| *number != expected)
        {
            let doing = format!("read the journal in {}", self.url());
            let message = format!("number {expected} is missing, although number {number} is there");
            return Err(CloudError::new(Meaning::Failed, doing, message));
        }
        let keys: Vec<String> = loose.iter().map(|number| self.key("journal", *number)).collect();
        let lines: Vec<String> = futures::stream::iter(keys.iter().map(|key| self.text(key)))
            .buffered(READS)
            .try_collect()
            .await?;
        text.extend(lines);
        Ok(Journal {
            text,
            last: copied + loose.len() as u64,
            loose: loose.len() as u64,
        })
    }

    /// Returns the journal, without holding it.
    pub async fn whole(&self) -> Result<String, CommandError> {
        Ok(self.journal().await.map_err(|error| self.explain(error))?.text)
    }

    /// Returns its entries.
    pub async fn entries(&self) -> Result<Vec<Entry>, CommandError> {
        Ok(read(&self.url(), &self.whole().await?)?.0)
    }

    fn explain(&self, error: CloudError) -> CommandError {
        let missing = error.code.as_deref() == Some("NoSuchBucket");
        let error = CommandError::from(error);
        match missing {
            true => error.hint(format!(
                "`state` says {}: make that bucket first, by a stack of its own or `aws s3 mb s3://{}`",
                self.url(),
                self.bucket
            )),
            false => error,
        }
    }

    /// Takes the stack and returns what its journal says.
    pub async fn hold(self, command: &str) -> Result<(Bucket, Vec<Entry>), CommandError> {
        let explain = |error| self.explain(error);
        let (holder, fresh) = self.take(command).await?;
        let mut journal = self.journal().await.map_err(explain)?;
        if !fresh && journal.last > 0 {
            // The one before us did not leave in order and may still be at work. From this entry on, whatever it
            // writes meets ours and is refused.
            let first = journal.text.lines().next().unwrap_or_default();
            let fence = stamped(first, &super::now(), holder.token);
            while !self
                .claim(&self.key("journal", journal.last + 1), &fence)
                .await
                .map_err(explain)?
            {
                journal = self.journal().await.map_err(explain)?;
            }
            journal.text.push_str(&fence);
            journal.last += 1;
            journal.loose += 1;
        }
        let (entries, _) = read(&self.url(), &journal.text)?;
        if journal.loose > LOOSE {
            // Only for speed: a copy of what is there already, which every holder would write the same.
            let key = self.key("whole", journal.last);
            let body = journal.text.clone().into_bytes().into();
            self.aws
                .put_object(&self.bucket, &key, body, None, false)
                .await
                .map_err(explain)?;
        }
        Ok((
            Bucket {
                place: self,
                last: journal.last,
                holder,
            },
            entries,
        ))
    }

    /// Becomes the holder. Says whether the one before left in order.
    async fn take(&self, command: &str) -> Result<(Holder, bool), CommandError> {
        let explain = |error| self.explain(error);
        loop {
            let tokens = self.numbers("lock").await.map_err(explain)?;
            let (token, fresh) = match tokens.last() {
                None => (1, true),
                Some(last) => {
                    let key = self.key("lock", *last);
                    let text = match self.text(&key).await {
                        // Its successor has cleared it away.
                        Err(error) if error.meaning == Meaning::NotFound => continue,
                        text => text.map_err(explain)?,
                    };
                    let age = self.aws.object_age(&self.bucket, &key).await.map_err(explain)?;
                    let present = Holder::parse(&text)
                        .ok_or_else(|| CommandError::new(format!("s3://{}/{key} is no lock", self.bucket)))?;
                    let age = age.unwrap_or(LEASE);
                    if !present.expired(age) {
                        let left = present.lease_s.saturating_sub(age.as_secs());
                        let hint = format!(
                            "its last sign of life is {} s old; without another the stack is free in {left} s",
                            age.as_secs()
                        );
                        return Err(locked(&present.to_string(), Some(&hint)));
                    }
                    (last + 1, present.released)
                }
            };
            let holder = Holder::here(token, command);
            let key = self.key("lock", token);
            if self.claim(&key, &holder.to_text()).await.map_err(explain)? {
                // Whoever looked long ago may find a number free that was taken and cleared away since.
                if !self.holds(token).await.map_err(explain)? {
                    self.aws
                        .delete_objects(&self.bucket, vec![key.clone()])
                        .await
                        .map_err(explain)?;
                    continue;
                }
                let past = tokens.iter().map(|token| self.key("lock", *token)).collect::<Vec<_>>();
                self.prove_exclusive(&key, &holder.to_text()).await?;
                if !past.is_empty() {
                    self.aws.delete_objects(&self.bucket, past).await.map_err(explain)?;
                }
                return Ok((holder, fresh));
            }
        }
    }

    /// Whether nobody came after a holder.
    async fn holds(&self, token: u64) -> Result<bool, CloudError> {
        Ok(self.numbers("lock").await?.last().is_none_or(|last| *last <= token))
    }
}

/// A line as a holder writes it.
fn stamped(line: &str, at: &str, token: u64) -> String {
    let mut json: serde_json::Value = serde_json::from_str(line).expect("lines are JSON");
    json["at"] = at.into();
    json["token"] = token.into();
    format!("{json}\n")
}

impl Bucket {
    /// Writes the next lines, unless somebody else has taken over and written there.
    pub async fn append(&mut self, lines: &str) -> Result<(), String> {
        let key = self.place.key("journal", self.last + 1);
        match self.place.claim(&key, lines).await {
            Ok(true) => {
                self.last += 1;
                Ok(())
            }
            Ok(false) => Err(format!(
                "somebody else has taken the stack in {} over",
                self.place.url()
            )),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Gives signs of life until it is dropped.
    pub fn beat(&self, lease: &Arc<Lease>) -> tokio::task::JoinHandle<()> {
        let (place, holder, lease) = (self.place.clone(), self.holder.clone(), lease.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                let sent = (Instant::now(), SystemTime::now());
                // What fails may work at the next beat; when none does, the lease ends.
                match place.holds(holder.token).await {
                    Ok(true) if place.sign(&holder).await.is_ok() => lease.renew(sent),
                    Ok(false) => lease.lose(),
                    _ => {}
                }
            }
        })
    }

    /// Leaves in order, so that nobody has to wait.
    pub async fn release(&self) {
        let left = Holder {
            released: true,
            ..self.holder.clone()
        };
        // If it does not arrive, the lease ends by itself.
        drop(self.place.sign(&left).await);
    }

    pub fn token(&self) -> u64 {
        self.holder.token
    }
}

impl Place {
    /// Overwrites a holder's own lock, which nobody else writes.
    async fn sign(&self, holder: &Holder) -> Result<(), CloudError> {
        let body = holder.to_text().into_bytes().into();
        let key = self.key("lock", holder.token);
        self.aws
            .put_object(&self.bucket, &key, body, None, false)
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests;
