use super::*;
use crate::plan::plan;
use crate::testing::Bench;

const TEXT: &str = "[bucket.lake]\nversioning = true\n[role.x]\nservice = \"glue\"\n";
const BEFORE: &str = "[bucket.lake]\n[role.x]\nservice = \"glue\"\n";

fn planned(bench: &Bench) -> (Plan, Stack) {
    let stack = Bench::stack(TEXT);
    (
        plan(&stack, &bench.observed(&stack), &bench.ledger, &Options::default()),
        stack,
    )
}

#[test]
fn a_saved_plan_reads_back_and_is_carried_out_when_nothing_moved() {
    let mut bench = Bench::with(BEFORE);
    let (plan, stack) = planned(&bench);
    let saved = save(&plan, &stack, TEXT, &bench.ledger, &Options::default(), false);
    let text = serde_json::to_string(&saved).expect("plain data");
    assert_eq!(read(&text), Ok(saved.clone()));
    let agreed = saved
        .agreed(planned(&bench).0, &stack, TEXT, &bench.ledger)
        .expect("nothing moved");
    assert!(bench.carry_out(&agreed).is_complete());
    assert!(planned(&bench).0.is_empty());
}

#[test]
fn what_moved_since_is_refused_when_it_matters() {
    let bench = Bench::with(BEFORE);
    let (plan, stack) = planned(&bench);
    let saved = save(&plan, &stack, TEXT, &bench.ledger, &Options::default(), false);
    let bend = |id: &str, field: &str, value: crate::Value| {
        bench
            .cloud
            .world
            .borrow_mut()
            .objects
            .get_mut(id)
            .expect("it is there")
            .fields
            .insert(field.to_owned(), value);
    };
    // Not part of the plan: left alone.
    bend("role:t-x", "description", "bent".into());
    let agreed = saved
        .agreed(planned(&bench).0, &stack, TEXT, &bench.ledger)
        .expect("the role does not matter");
    assert_eq!(agreed.steps.len(), 1);
    bend("bucket:t-lake", "encryption", "aws:kms".into());
    let refused = saved.agreed(planned(&bench).0, &stack, TEXT, &bench.ledger).map(|_| ());
    assert_eq!(
        refused.map_err(|refusal| refusal.to_string()),
        Err("changed since the plan was made: bucket.lake".to_owned())
    );
}

#[test]
fn plans_of_another_stack_or_file_or_version_are_refused() {
    let bench = Bench::with(BEFORE);
    let (plan, stack) = planned(&bench);
    let saved = save(&plan, &stack, TEXT, &bench.ledger, &Options::default(), false);
    let refusal = |saved: &SavedPlan, text: &str| saved.agreed(plan.clone(), &stack, text, &bench.ledger).err();
    assert_eq!(refusal(&saved, BEFORE), Some(Refusal::FileChanged));
    let other = SavedPlan {
        stack: "u".into(),
        ..saved.clone()
    };
    assert_eq!(refusal(&other, TEXT), Some(Refusal::OtherStack("u".into())));
    let other = SavedPlan {
        generation: "h".into(),
        ..saved.clone()
    };
    assert_eq!(refusal(&other, TEXT), Some(Refusal::OtherGeneration));
    let first = SavedPlan {
        generation: String::new(),
        ..saved.clone()
    };
    assert_eq!(refusal(&first, TEXT), Some(Refusal::Built));
    assert_eq!(read("{\"format_version\":9}"), Err(Refusal::Newer(9)));
    assert!(matches!(read("{}"), Err(Refusal::Damaged(_))));
    assert!(matches!(read("not json"), Err(Refusal::Damaged(_))));
}
