//! A cloud in memory: ids, names and tags as AWS has them, and everything that can go wrong, drawn from a seed. It also
//! watches: what AWS would refuse because the order is wrong is noted as a violation.

use crate::address::Address;
use crate::cloud::{
    Ask, Cloud, CloudError, Create, Delete, Live, Meaning, Owned, Owner, Progress, Report, Sought, Update,
};
use crate::kind::Kind;
use crate::schema::{Compare, Field, Identity, Type};
use crate::value::{Fields, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

/// One object of the fake cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub kind: Kind,
    pub fields: Fields,
    pub outputs: Fields,
    pub owner: Option<Owner>,
    /// What only the cloud may know: a generated password.
    secret: Option<String>,
    /// Old fields that the next so many reads still see.
    stale: Option<(Fields, u64)>,
    /// So many reads do not see it yet.
    hidden: u64,
    /// So many reads see it in a state that nobody has heard of.
    strange: u64,
    /// A role that nobody can take for so many attempts yet.
    young: u64,
    /// Something of somebody else's holds it for so many attempts to delete it.
    held: u64,
    /// It is being deleted, and gone after so many looks.
    going: Option<u64>,
}

#[derive(Debug, Default)]
pub struct World {
    pub objects: BTreeMap<String, Object>,
    pub violations: Vec<String>,
    /// The process that calls is dead: nothing has an effect or an answer any more.
    pub dead: bool,
    /// How many calls of a hundred go wrong.
    pub fault_percent: u64,
    /// Deleting anything that something refers to is a violation: nothing but destroy is under way.
    pub strict: bool,
    pub reads: usize,
    pub changes: usize,
    /// What outlives an object until it is deleted by itself: the public addresses of NAT gateways.
    pub rests: BTreeSet<Address>,
    /// Every secret that was ever made. None of them may be written anywhere.
    pub secrets: Vec<String>,
    random: u64,
    made: u64,
}

pub struct FakeCloud {
    pub world: RefCell<World>,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Throttled,
    /// Lost on the way there.
    Unavailable,
    Busy,
    /// The effect takes place, the answer is lost.
    Lost,
    /// The first of several requests works, a later one is denied.
    Half,
    /// It is made, and cannot be seen for longer than anybody waits.
    Unseen,
    /// The answer is lost, and the request that is sent again is told that the name is taken.
    Repeated,
}

impl Fault {
    /// The answer of a call that ends before it has an effect.
    fn before_effect(self, doing: &str) -> Result<(), CloudError> {
        let meaning = match self {
            Fault::Throttled => Meaning::Throttled,
            Fault::Unavailable => Meaning::Unavailable,
            Fault::Busy => Meaning::Busy,
            Fault::None | Fault::Lost | Fault::Half | Fault::Unseen | Fault::Repeated => return Ok(()),
        };
        Err(refusal(meaning, doing))
    }
}

impl FakeCloud {
    pub fn new(seed: u64) -> Self {
        Self {
            world: RefCell::new(World {
                random: seed,
                ..World::default()
            }),
        }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Seeded) -> T) -> T {
        let mut world = self.world.borrow_mut();
        let mut seeded = Seeded(world.random);
        let drawn = draw(&mut seeded);
        world.random = seeded.0;
        drawn
    }

    fn fault(&self) -> Fault {
        let percent = self.world.borrow().fault_percent;
        self.draw(|seeded| match seeded.chance(percent) {
            false => Fault::None,
            true => *seeded.pick(&[
                Fault::Throttled,
                Fault::Unavailable,
                Fault::Busy,
                Fault::Lost,
                Fault::Half,
                Fault::Unseen,
                Fault::Repeated,
            ]),
        })
    }

    /// Lets others run a while; for ever when the process is dead.
    pub async fn pause(&self) {
        for _ in 0..self.draw(|seeded| seeded.below(4)) {
            Yield(false).await;
        }
        while self.world.borrow().dead {
            Yield(false).await;
        }
    }

    /// Puts an object there that lakeform did not make.
    pub fn put(&self, kind: Kind, fields: Fields) -> String {
        let mut world = self.world.borrow_mut();
        let id = world.new_id(kind, &fields, None);
        let outputs = outputs_of(kind, &id, &fields);
        world
            .objects
            .insert(id.clone(), Object::new(kind, fields, outputs, None));
        id
    }

    /// What AWS does to new objects: some are not seen at once, some are in strange states, roles cannot be taken yet.
    fn unsettle(&self, id: &str) {
        if self.world.borrow().fault_percent == 0 {
            return;
        }
        let (hidden, strange, young) = self.draw(|seeded| {
            let lag = |seeded: &mut Seeded| if seeded.chance(30) { 1 + seeded.below(3) } else { 0 };
            (lag(seeded), lag(seeded), lag(seeded))
        });
        if let Some(object) = self.world.borrow_mut().objects.get_mut(id) {
            // Data lie in S3 and in the warehouse, which show at once what was written.
            if !object.kind.is_data() {
                (object.hidden, object.strange) = (hidden, strange);
            }
            object.young = if object.kind == Kind::Role { young } else { 0 };
        }
    }

    /// Looks until it is there and in a state we know, as every provider does.
    async fn settled(&self, id: &str, doing: &str) -> Result<Live, CloudError> {
        loop {
            self.pause().await;
            let live = self.world.borrow_mut().look(id);
            match live {
                Look::Gone => return Err(refusal(Meaning::NotFound, doing)),
                Look::Hidden => {}
                Look::Seen(live) if live.status.is_some() && !live.going => {}
                Look::Seen(live) => return Ok(*live),
            }
        }
    }
}

impl Object {
    fn new(kind: Kind, fields: Fields, outputs: Fields, owner: Option<Owner>) -> Self {
        Self {
            kind,
            fields,
            outputs,
            owner,
            secret: None,
            stale: None,
            hidden: 0,
            strange: 0,
            young: 0,
            held: 0,
            going: None,
        }
    }

    fn is_of(&self, op: &str) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.op == op)
    }
}

/// What a read sees.
enum Look {
    Gone,
    Hidden,
    Seen(Box<Live>),
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.0 {
            true => Poll::Ready(()),
            false => {
                self.0 = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// Polls a future until it is ready or `dead` says that its process is.
pub fn run<T>(future: impl Future<Output = T>, mut dead: impl FnMut() -> bool) -> Option<T> {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        if dead() {
            return None;
        }
    }
    panic!("nothing moves any more");
}

impl World {
    fn new_id(&mut self, kind: Kind, fields: &Fields, owner: Option<&Owner>) -> String {
        self.made += 1;
        match kind.schema().identity {
            Identity::Assigned => format!("{kind}#{}", self.made),
            Identity::Named(name) => format!(
                "{kind}:{}",
                fields.get(name).map(Value::to_text).unwrap_or_default().to_lowercase()
            ),
            Identity::Address => {
                owner.map_or_else(|| format!("{kind}:{}", self.made), |owner| owner.address.to_string())
            }
        }
    }

    fn live(&mut self, id: &str) -> Option<Live> {
        match self.look(id) {
            Look::Seen(live) => Some(*live),
            Look::Gone | Look::Hidden => None,
        }
    }

    fn look(&mut self, id: &str) -> Look {
        let Some(object) = self.objects.get_mut(id) else {
            return Look::Gone;
        };
        if object.hidden > 0 {
            object.hidden -= 1;
            return Look::Hidden;
        }
        if object.going == Some(0) {
            self.remove(id);
            return Look::Gone;
        }
        let going = object.going.is_some();
        object.going = object.going.map(|looks| looks - 1);
        let strange = object.strange > 0;
        object.strange = object.strange.saturating_sub(1);
        let mut fields = object.fields.clone();
        match &mut object.stale {
            Some((old, left)) if *left > 0 => {
                *left -= 1;
                fields.clone_from(old);
            }
            _ => object.stale = None,
        }
        let schema = object.kind.schema();
        for field in schema.fields {
            match field.compare {
                // AWS does not know it.
                Compare::Ledger | Compare::Fingerprint => {
                    fields.remove(field.name);
                }
                // AWS returns sets in any order.
                Compare::Set => {
                    if let Some(Value::List(list)) = fields.get_mut(field.name) {
                        list.reverse();
                    }
                }
                Compare::CaseFold => {
                    if let Some(Value::Text(text)) = fields.get_mut(field.name) {
                        *text = text.to_lowercase();
                    }
                }
                Compare::Exact | Compare::Policy | Compare::Json => {}
            }
        }
        Look::Seen(Box::new(Live {
            id: id.to_owned(),
            fields,
            outputs: object.outputs.clone(),
            owner: object.owner.clone().filter(|_| schema.taggable),
            status: match going {
                true => Some("deleting".to_owned()),
                false => strange.then(|| "moonwalking".to_owned()),
            },
            going,
            extras: Vec::new(),
        }))
    }

    fn create(&mut self, owner: &Owner, fields: &Fields) -> Result<String, CloudError> {
        let kind = owner.address.kind;
        let doing = format!("create {}", owner.address);
        // A create that finds its own earlier work goes on with it.
        let earlier = self
            .objects
            .iter()
            .find(|(_, object)| object.is_of(&owner.op) && object.going.is_none());
        if let Some((id, _)) = earlier {
            return Ok(id.clone());
        }
        self.check_references(&doing, kind, fields);
        let id = self.new_id(kind, fields, Some(owner));
        if self.objects.contains_key(&id) && kind.schema().identity != Identity::Address {
            return Err(CloudError::new(Meaning::AlreadyExists, doing, format!("`{id}` exists")));
        }
        let block = |fields: &Fields| {
            fields
                .get("cidr")
                .and_then(Value::as_text)?
                .parse::<crate::normalise::Cidr>()
                .ok()
        };
        let siblings = self
            .objects
            .values()
            .filter(|object| object.kind == kind && object.fields.get("vpc") == fields.get("vpc"));
        for sibling in siblings {
            let clash = match kind {
                Kind::Subnet => block(&sibling.fields)
                    .zip(block(fields))
                    .is_some_and(|(a, b)| a.overlaps(b)),
                Kind::InternetGateway => true,
                Kind::SecurityGroup => sibling.fields.get("name") == fields.get("name"),
                _ => false,
            };
            if clash {
                return Err(CloudError::new(
                    Meaning::Invalid,
                    doing,
                    format!("clashes with what is in the VPC: {:?}", sibling.owner),
                ));
            }
        }
        let outputs = outputs_of(kind, &id, fields);
        let mut object = Object::new(kind, fields.clone(), outputs, Some(owner.clone()));
        if matches!(kind, Kind::Secret | Kind::RedshiftCluster | Kind::RedshiftNamespace) {
            let secret = format!("hunter-{}-{id}", self.made);
            self.secrets.push(secret.clone());
            object.secret = Some(secret);
        }
        self.objects.insert(id.clone(), object);
        if kind == Kind::NatGateway {
            self.rests.insert(owner.address.clone());
        }
        Ok(id)
    }

    /// Whether a role that these fields name cannot be taken yet.
    fn too_young(&mut self, kind: Kind, fields: &Fields) -> bool {
        let mut named: Vec<String> = Vec::new();
        each_reference(kind.schema().fields, fields, &mut |kinds, _, text| {
            if kinds.contains(&Kind::Role) {
                named.push(text.to_owned());
            }
        });
        let mut young = false;
        for object in self.objects.values_mut().filter(|object| object.kind == Kind::Role) {
            let is_named = object
                .outputs
                .get("arn")
                .is_some_and(|arn| named.contains(&arn.to_text()));
            if is_named && object.young > 0 {
                object.young -= 1;
                young = true;
            }
        }
        young
    }

    /// Everything a resource refers to must be there by now.
    fn check_references(&mut self, doing: &str, kind: Kind, fields: &Fields) {
        let mut missing = Vec::new();
        each_reference(kind.schema().fields, fields, &mut |kinds, output, text| {
            let there = self.objects.values().any(|object| {
                kinds.contains(&object.kind) && object.outputs.get(output).is_some_and(|value| value.to_text() == text)
            });
            if !there {
                missing.push(format!("{doing}: `{text}` is not there"));
            }
        });
        if kind == Kind::NatGateway {
            let door = self.objects.values().any(|object| object.kind == Kind::InternetGateway);
            if !door {
                missing.push(format!("{doing}: no internet gateway"));
            }
        }
        self.violations.extend(missing);
    }

    fn users(&self, id: &str) -> Vec<(String, Kind)> {
        let object = &self.objects[id];
        let mut users = Vec::new();
        for (other, candidate) in self.objects.iter().filter(|(other, _)| *other != id) {
            let mut uses = false;
            each_reference(
                candidate.kind.schema().fields,
                &candidate.fields,
                &mut |kinds, output, text| {
                    uses |= kinds.contains(&object.kind)
                        && object.outputs.get(output).is_some_and(|value| value.to_text() == text);
                },
            );
            if object.kind == Kind::InternetGateway && candidate.kind == Kind::NatGateway {
                uses = true;
            }
            if uses {
                users.push((other.clone(), candidate.kind));
            }
        }
        users
    }

    /// Deletes an object, which is still seen for so many looks if it is of a kind that takes its time.
    fn delete(&mut self, id: &str, looks: u64) -> Result<(), CloudError> {
        let Some(object) = self.objects.get(id).filter(|object| object.going.is_none()) else {
            return Ok(());
        };
        let kind = object.kind;
        let users = self.users(id);
        let refused = users.iter().find(|(_, user)| refuses(*user, kind));
        if let Some((user, _)) = refused {
            self.violations.push(format!("delete `{id}` while `{user}` uses it"));
            return Err(CloudError::new(
                Meaning::InUse,
                format!("delete {id}"),
                format!("`{user}` uses it"),
            ));
        }
        if self.objects[id].held > 0 {
            self.objects.get_mut(id).expect("just seen").held -= 1;
            let doing = format!("delete {id}");
            return Err(CloudError::new(
                Meaning::InUse,
                doing,
                "a network interface of somebody else's uses it",
            ));
        }
        if self.strict
            && let Some((user, _)) = users.first()
        {
            self.violations
                .push(format!("delete `{id}` before `{user}`, which refers to it"));
        }
        match lingers(kind) {
            true => self.objects.get_mut(id).expect("just seen").going = Some(looks),
            false => self.remove(id),
        }
        Ok(())
    }

    /// Takes an object away, and the data that were in it.
    fn remove(&mut self, id: &str) {
        let users = self.users(id);
        self.objects.remove(id);
        for (user, _) in users.into_iter().filter(|(_, user)| user.is_data()) {
            self.objects.remove(&user);
        }
    }

    /// Deletes something nobody uses, behind everybody's back.
    pub fn lose(&mut self, seeded: &mut Seeded) {
        let ids: Vec<String> = self
            .objects
            .iter()
            .filter(|(_, object)| object.owner.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        if let Some(id) = (!ids.is_empty()).then(|| seeded.pick(&ids).clone())
            && self.users(&id).is_empty()
        {
            let object = self.objects.get_mut(&id).expect("just listed");
            match lingers(object.kind) && seeded.chance(50) {
                true => object.going = object.going.or(Some(seeded.below(3))),
                false => self.remove(&id),
            }
        }
    }

    /// Changes something behind everybody's back.
    pub fn bend(&mut self, seeded: &mut Seeded) {
        let ids: Vec<String> = self
            .objects
            .iter()
            .filter(|(_, object)| object.owner.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        if ids.is_empty() {
            return;
        }
        let object = self.objects.get_mut(seeded.pick(&ids)).expect("just listed");
        let changeable: Vec<&Field> = object
            .kind
            .schema()
            .fields
            .iter()
            .filter(|field| {
                !matches!(field.change, crate::schema::Change::Replace) && matches!(field.ty, Type::Text | Type::Bool)
            })
            .collect();
        if let Some(field) = (!changeable.is_empty()).then(|| *seeded.pick(&changeable)) {
            let bent = match object.fields.get(field.name) {
                Some(Value::Bool(bool)) => Value::Bool(!bool),
                _ => Value::text("bent"),
            };
            object.fields.insert(field.name.to_owned(), bent);
        }
    }
}

/// What AWS still shows while it is being deleted.
fn lingers(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::NatGateway
            | Kind::VpcEndpoint
            | Kind::GlueTrigger
            | Kind::RedshiftCluster
            | Kind::RedshiftNamespace
            | Kind::RedshiftWorkgroup
    )
}

/// What AWS does not delete while the user is there.
fn refuses(user: Kind, used: Kind) -> bool {
    match used {
        Kind::Vpc | Kind::InternetGateway | Kind::RedshiftSubnetGroup | Kind::RedshiftNamespace => !user.is_data(),
        Kind::Subnet => matches!(user, Kind::NatGateway | Kind::RedshiftWorkgroup),
        Kind::SecurityGroup => matches!(
            user,
            Kind::RedshiftCluster | Kind::RedshiftWorkgroup | Kind::SecurityGroup
        ),
        Kind::RedshiftParameterGroup => user == Kind::RedshiftCluster,
        _ => false,
    }
}

fn outputs_of(kind: Kind, id: &str, fields: &Fields) -> Fields {
    let mut outputs = Fields::new();
    for output in kind.schema().outputs {
        let value = match (output.field.and_then(|field| fields.get(field)), output.name) {
            (Some(value), _) => value.clone(),
            (None, "id") => Value::text(id),
            (None, "fingerprint") => Value::Text(format!("{:?}", fields)),
            (None, name) => Value::Text(format!("{name}:{id}")),
        };
        outputs.insert(output.name.to_owned(), value);
    }
    outputs
}

/// Calls `found` with every reference of the fields, by the schema.
fn each_reference(
    schema: &'static [Field],
    fields: &Fields,
    found: &mut dyn FnMut(&'static [Kind], &'static str, &str),
) {
    fn walk(ty: &'static Type, value: &Value, found: &mut dyn FnMut(&'static [Kind], &'static str, &str)) {
        match (ty, value) {
            // The folders of a dataset are spelled out.
            (Type::RefOr { output: "targets", .. }, _) => {}
            (Type::Ref { kinds, output } | Type::RefOr { kinds, output }, Value::Text(text)) => {
                found(kinds, output, text)
            }
            (Type::List(inner), Value::List(list)) => list.iter().for_each(|value| walk(inner, value, found)),
            (Type::Map(inner), Value::Map(map)) => map.values().for_each(|value| walk(inner, value, found)),
            (Type::Table(fields), Value::Map(map)) => each_reference(fields, map, found),
            _ => {}
        }
    }
    for field in schema {
        if let Some(value) = fields.get(field.name) {
            walk(&field.ty, value, found);
        }
    }
}

fn refusal(meaning: Meaning, doing: &str) -> CloudError {
    CloudError::new(meaning, doing, "injected")
}

impl Cloud for FakeCloud {
    async fn read(&self, kind: Kind, asks: &[Ask]) -> Result<Vec<Option<Live>>, CloudError> {
        self.pause().await;
        self.world.borrow_mut().reads += 1;
        if matches!(self.fault(), Fault::Throttled | Fault::Unavailable) {
            return Err(refusal(Meaning::Unavailable, "read"));
        }
        let mut world = self.world.borrow_mut();
        let mut lives = Vec::new();
        for ask in asks {
            assert_eq!(ask.address.kind, kind);
            let named = || match kind.schema().identity {
                Identity::Named(name) => Some(format!("{kind}:{}", ask.fields.get(name)?.as_text()?.to_lowercase())),
                Identity::Assigned | Identity::Address => None,
            };
            lives.push(ask.id.clone().or_else(named).and_then(|id| world.live(&id)));
        }
        Ok(lives)
    }

    async fn find(&self, kind: Kind, sought: &[Sought]) -> Result<Vec<Option<Live>>, CloudError> {
        self.pause().await;
        if matches!(self.fault(), Fault::Throttled | Fault::Unavailable) {
            return Err(refusal(Meaning::Unavailable, "find"));
        }
        let mut lives = Vec::new();
        for Sought { ask, owner } in sought {
            assert_eq!(ask.address.kind, kind);
            let made = {
                let world = self.world.borrow();
                let made = world.objects.iter().find(|(_, object)| object.is_of(&owner.op));
                let known = ask.id.as_deref().unwrap_or_default();
                assert!(
                    made.is_some() || !world.objects.contains_key(known),
                    "`{known}` has lost its tags"
                );
                made.map(|(id, _)| id.clone())
            };
            lives.push(match made {
                Some(id) => Some(self.settled(&id, "find").await?),
                None => None,
            });
        }
        Ok(lives)
    }

    async fn create(&self, create: &Create, report: Report<'_>) -> Result<Live, CloudError> {
        self.pause().await;
        let fault = self.fault();
        let doing = format!("create {}", create.owner.address);
        fault.before_effect(&doing)?;
        let kind = create.owner.address.kind;
        if self.world.borrow_mut().too_young(kind, &create.fields) {
            let message = "Service is unable to assume the role";
            return Err(CloudError::new(Meaning::Invalid, doing, message));
        }
        self.world.borrow_mut().changes += 1;
        let id = self.world.borrow_mut().create(&create.owner, &create.fields)?;
        self.unsettle(&id);
        if fault == Fault::Lost {
            self.pause().await;
            return Err(refusal(Meaning::Unavailable, &doing));
        }
        if fault == Fault::Repeated {
            self.pause().await;
            return Err(refusal(Meaning::AlreadyExists, &doing));
        }
        if matches!(fault, Fault::Half | Fault::Unseen) || self.draw(|seeded| seeded.chance(70)) {
            report(Progress::Made { id: id.clone() });
        }
        if fault == Fault::Unseen {
            self.pause().await;
            return Err(refusal(Meaning::NotFound, &doing));
        }
        if fault == Fault::Half {
            if self.draw(|seeded| seeded.chance(50)) {
                self.pause().await;
            }
            if let Some(object) = self.world.borrow_mut().objects.get_mut(&id) {
                object.fields.insert("tags".to_owned(), Value::Map(BTreeMap::new()));
            }
            return Err(refusal(Meaning::Denied, &doing));
        }
        self.settled(&id, &doing).await
    }

    async fn update(&self, update: &Update, _: Report<'_>) -> Result<Live, CloudError> {
        self.pause().await;
        let fault = self.fault();
        let doing = format!("update {}", update.owner.address);
        fault.before_effect(&doing)?;
        {
            let stale = self.world.borrow().fault_percent > 0 && self.draw(|seeded| seeded.chance(20));
            let mut world = self.world.borrow_mut();
            world.changes += 1;
            let kind = update.owner.address.kind;
            let changed: Fields = update
                .changed
                .iter()
                .filter_map(|name| Some((name.clone(), update.fields.get(name)?.clone())))
                .collect();
            world.check_references(&doing, kind, &changed);
            let object = world
                .objects
                .get_mut(&update.id)
                .ok_or_else(|| refusal(Meaning::NotFound, &doing))?;
            if stale {
                object.stale = Some((object.fields.clone(), 1));
            }
            if update.changed.iter().any(|name| name == "tags") {
                object.owner = object.owner.take().map(|_| update.owner.clone());
            }
            for name in &update.changed {
                match update.fields.get(name) {
                    Some(value) => object.fields.insert(name.clone(), value.clone()),
                    None => object.fields.remove(name),
                };
                if fault == Fault::Half {
                    break;
                }
            }
            object.outputs = outputs_of(kind, &update.id, &object.fields);
        }
        match fault {
            Fault::None => self.settled(&update.id, &doing).await,
            _ => {
                self.pause().await;
                Err(refusal(Meaning::Unavailable, &doing))
            }
        }
    }

    async fn delete(&self, delete: &Delete, _: Report<'_>) -> Result<(), CloudError> {
        self.pause().await;
        let fault = self.fault();
        let doing = format!("delete {}", delete.owner.address);
        fault.before_effect(&doing)?;
        let percent = self.world.borrow().fault_percent;
        let held = self.draw(|seeded| if seeded.chance(5) { 1 + seeded.below(2) } else { 0 });
        if percent > 0
            && held > 0
            && let Some(object) = self.world.borrow_mut().objects.get_mut(&delete.id)
        {
            object.held = held;
        }
        self.world.borrow_mut().changes += 1;
        let looks = self.draw(|seeded| seeded.below(3));
        self.world.borrow_mut().delete(&delete.id, looks)?;
        self.pause().await;
        if fault != Fault::None {
            return Err(refusal(Meaning::Unavailable, &doing));
        }
        while matches!(self.world.borrow_mut().look(&delete.id), Look::Hidden | Look::Seen(_)) {
            self.pause().await;
        }
        self.world.borrow_mut().rests.remove(&delete.owner.address);
        Ok(())
    }

    async fn owned(&self, stack: &str) -> Result<Vec<Owned>, CloudError> {
        self.pause().await;
        let world = self.world.borrow();
        let owned = world.objects.iter().filter_map(|(id, object)| {
            let owner = object
                .owner
                .clone()
                .filter(|owner| owner.stack == stack && object.kind.schema().taggable)?;
            Some(Owned { owner, id: id.clone() })
        });
        Ok(owned.collect())
    }
}
