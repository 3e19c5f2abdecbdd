//! Proves that files are what they must be: each is made again for its checksum, and compared with the one that is
//! stored beside it. Nothing is downloaded.

use super::manifest::Manifest;
use super::recipe::At;
use super::workers::Workers;
use futures::stream::{self, StreamExt, TryStreamExt};
use lakeform_datagen::Sum;
use std::collections::{BTreeMap, BTreeSet};

/// Files under way at once.
const FILES: usize = 16;

/// How the files of a table compare with what they must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub table: String,
    /// Files that are as they must be, and their bytes.
    pub whole: usize,
    pub bytes: u64,
    pub missing: Vec<String>,
    pub different: Vec<String>,
    /// In the table's folder, and none of its files.
    pub extra: Vec<String>,
}

impl Proof {
    pub fn holds(&self) -> bool {
        self.missing.is_empty() && self.different.is_empty() && self.extra.is_empty()
    }
}

/// What is compared.
pub struct Claim {
    pub manifest: Manifest,
    pub workers: Workers,
}

/// Compares what manifests tell with what is there: `present` are the sizes by key, `look` tells length and checksum
/// of one. Several manifests are shares of the same tables.
pub async fn prove<E>(
    claims: &[Claim],
    present: &BTreeMap<String, u64>,
    look: impl AsyncFn(&str) -> Result<Option<Sum>, E>,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Proof>, E> {
    let mut proofs: Vec<Proof> = Vec::new();
    for table in claims.iter().flat_map(|claim| &claim.manifest.tables) {
        if !proofs.iter().any(|proof| proof.table == table.name) {
            proofs.push(Proof {
                table: table.name.clone(),
                ..Proof::default()
            });
        }
    }
    let files: Vec<(&Claim, At)> = claims
        .iter()
        .flat_map(|claim| claim.workers.batches().files().into_iter().map(move |at| (claim, at)))
        .collect();
    let key_of = |claim: &Claim, at: At| format!("{}{}", claim.manifest.prefix, claim.workers.batches().file(at).key);
    let expected: BTreeSet<String> = files.iter().map(|(claim, at)| key_of(claim, *at)).collect();
    let look = &look;
    let compared: Vec<(&str, String, Option<Sum>, Sum)> = stream::iter(files)
        .map(|(claim, at)| async move {
            let key = key_of(claim, at);
            let batches = claim.workers.batches();
            let wanted = claim.workers.total(at).await.sum;
            let actual = match present.contains_key(&key) {
                true => look(&key).await?,
                false => None,
            };
            tell(batches.rows(at));
            Ok::<_, E>((batches.table(at).name.as_str(), key, actual, wanted))
        })
        .buffer_unordered(FILES)
        .try_collect()
        .await?;
    for (table, key, actual, wanted) in compared {
        let proof = proofs
            .iter_mut()
            .find(|proof| proof.table == table)
            .expect("every table has a proof");
        match actual {
            Some(actual) if actual == wanted => {
                proof.whole += 1;
                proof.bytes += wanted.bytes;
            }
            Some(_) => proof.different.push(key),
            None => proof.missing.push(key),
        }
    }
    for (key, size) in present.iter().filter(|(key, _)| !expected.contains(*key)) {
        // An empty object with a name like a folder's is how consoles draw folders.
        if key.ends_with('/') && *size == 0 {
            continue;
        }
        let holder = claims.iter().find_map(|claim| {
            let tables = claim.manifest.tables.iter();
            let mut within =
                tables.filter(|table| key.starts_with(&format!("{}{}/", claim.manifest.prefix, table.folder)));
            within.next()
        });
        if let Some(table) = holder
            && let Some(proof) = proofs.iter_mut().find(|proof| proof.table == table.name)
        {
            proof.extra.push(key.clone());
        }
    }
    for proof in &mut proofs {
        proof.missing.sort();
        proof.different.sort();
    }
    Ok(proofs)
}
