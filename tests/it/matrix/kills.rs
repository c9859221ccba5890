//! A run is killed with SIGKILL while the server holds its n-th request, for
//! each n, before the effect, after it, and with an effect that comes when the
//! client is dead. The next run must bring the remote to the very same end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use redivis_ingest::base::PartName;
use redivis_ingest::sandbox::{Character, FreezePoint, Operation, Request, Thaw};

use super::truth::assert_true;
use super::work::{
    BIG, Bases, CHUNK, PAYLOAD, Story, assert_released_is_right, assert_right, assert_settled,
    behaviour, command, newest, work,
};
use super::{grouped, share, share_of, try_all};
use crate::harness::{World, kill, setting};

/// What becomes of the request that is on its way when the client dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It has no effect.
    Dropped,
    /// It takes effect although its client is dead; under the worst answers late.
    Applied,
    /// It took effect, and the answer is lost.
    Done,
}

const WAYS: [Way; 3] = [Way::Dropped, Way::Applied, Way::Done];

#[derive(Debug, Clone)]
struct Kill {
    story: Story,
    character: Character,
    /// Which requests are held, counted from 0, one for each run that is killed.
    at: Vec<(u64, Way)>,
    /// Whether the state is deleted before the last run.
    forgets: bool,
    /// What is held, in words.
    held: Option<Operation>,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            story,
            character,
            at,
            forgets,
            held,
        } = self;
        write!(f, "{story:?} {character:?} at {at:?}")?;
        if let Some(held) = held {
            write!(f, " ({held:?})")?;
        }
        if *forgets {
            f.write_str(", state deleted")?;
        }
        Ok(())
    }
}

/// A run that nobody disturbs.
struct Clean {
    story: Story,
    character: Character,
    requests: Vec<Operation>,
    sent: Sent,
    identities: Vec<String>,
}

/// Bytes of content that the server took or was on the way to take.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    chunks: u64,
    rows: u64,
}

impl Sent {
    fn of(requests: &[Request]) -> Self {
        let mut sent = Self::default();
        for request in requests {
            let bytes = request.body_bytes;
            if request.operation == Operation::PutChunk {
                sent.chunks += bytes;
            } else if request.operation == Operation::InsertRows {
                sent.rows += bytes;
            }
        }
        sent
    }
}

impl Clean {
    fn of(bases: &Bases, story: Story, character: Character) -> Self {
        let world = bases.copy(story, character, behaviour(character));
        work(&world, "1").exits(0);
        assert_right(&world, story, 1);
        let mut requests = world.sandbox().requests();
        requests.sort_by_key(|request| request.number);
        Self {
            story,
            character,
            sent: Sent::of(&requests),
            requests: requests.iter().map(|one| one.operation).collect(),
            identities: identities(&world),
        }
    }
}

/// All uploads of the newest version by identity, inherited ones included.
fn identities(world: &World) -> Vec<String> {
    let seen = world.inspect();
    let mut all: Vec<String> = newest(&seen)
        .tables
        .iter()
        .flat_map(|table| {
            let uploads = table.inherited.iter().chain(&table.uploads);
            uploads.map(|upload| {
                let name = PartName::parse(&upload.name).unwrap_or_else(|| {
                    panic!("`{}` is none of ours", upload.name);
                });
                format!("{} {}", table.name, name.identity)
            })
        })
        .collect();
    all.sort();
    all
}

/// Runs until that request is held, and kills. Answers the request's number; `None`:
/// the run came to its end.
fn kill_at(world: &World, (at, way): (u64, Way)) -> Option<u64> {
    let sandbox = world.sandbox();
    let number = sandbox.next_request_number() + at;
    let (point, then) = match way {
        Way::Dropped => (FreezePoint::BeforeEffect, Thaw::Abandon),
        Way::Applied => (FreezePoint::BeforeEffect, Thaw::Apply),
        Way::Done => (FreezePoint::AfterEffect, Thaw::Abandon),
    };
    sandbox.freeze(number, point);
    let mut child = command(world, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_held = loop {
        if sandbox.wait_frozen(Duration::from_millis(10)) {
            break true;
        }
        if child.try_wait().unwrap().is_some() {
            break false;
        }
    };
    kill(child);
    sandbox.thaw(then);
    is_held.then_some(number)
}

/// Whether files were attached by the request that was held or by one just before
/// it, so that the client may have died without the answer. What a clean run asks at
/// that point does not tell: several threads ask.
fn attached_in_doubt(requests: &[Request], held: u64) -> bool {
    requests.iter().any(|request| {
        request.operation == Operation::AttachFiles
            && (held.saturating_sub(2)..=held).contains(&request.number)
    })
}

/// What came of a kill: how many runs were killed, and how the next one ended.
struct Killed {
    runs: usize,
    exit: i32,
}

fn attempt(bases: &Bases, clean: &[Clean], one: &Kill) -> Killed {
    let Kill {
        story, character, ..
    } = *one;
    let world = bases.copy(story, character, behaviour(character));
    let clean = clean
        .iter()
        .find(|clean| (clean.story, clean.character) == (story, character))
        .unwrap();
    // Without a state a file whose MD5 nobody tells is sent again, by design.
    let most_releases = if one.forgets && character == Character::Worst {
        2
    } else {
        1
    };
    let mut held = Vec::new();
    for at in &one.at {
        held.extend(kill_at(&world, *at));
        assert_released_is_right(&world, story);
    }
    if one.forgets {
        world.forget_state();
    }
    let again = work(&world, "1");
    let exit = again.status.unwrap();
    let may_drift = one.at.iter().any(|(_, way)| *way == Way::Applied);
    if exit == 4 && may_drift && character == Character::Worst {
        // What the dead client asked for came in the middle of this run.
        assert_true(&world);
        work(&world, "1").exits(0);
    } else {
        again.exits(0);
    }
    if !one.forgets {
        let kills = one.at.len() as u64;
        let requests = world.sandbox().requests();
        let sent = Sent::of(&requests);
        let needed = clean.sent;
        // Where no MD5 is told and the answer that would have made the receipt is
        // lost, nothing proves that the file is the one that was sent.
        let is_doubtful = held
            .iter()
            .any(|number| attached_in_doubt(&requests, *number));
        let again = match character {
            Character::Worst if is_doubtful => BIG as u64,
            Character::Friendly | Character::Worst => CHUNK,
        };
        assert!(
            sent.chunks <= needed.chunks + again * kills,
            "{sent:?}, needed {needed:?}"
        );
        assert!(
            sent.rows <= needed.rows + PAYLOAD * kills,
            "{sent:?}, needed {needed:?}"
        );
    }
    assert_true(&world);
    assert_right(&world, story, most_releases);
    assert_eq!(identities(&world), clean.identities);
    assert_settled(&world);
    assert_right(&world, story, most_releases);
    Killed {
        runs: held.len(),
        exit,
    }
}

/// Each point once, with and without the state.
fn all(clean: &[Clean]) -> Vec<Kill> {
    let mut kills = Vec::new();
    for one in clean {
        for (at, held) in one.requests.iter().enumerate() {
            for way in WAYS {
                for forgets in [false, true] {
                    kills.push(Kill {
                        story: one.story,
                        character: one.character,
                        at: vec![(at as u64, way)],
                        forgets,
                        held: Some(*held),
                    });
                }
            }
        }
    }
    kills
}

/// Two kills, one after the other, at points that only look random.
fn twice(clean: &[Clean], count: u64) -> Vec<Kill> {
    let mut kills = Vec::new();
    for one in clean {
        let requests = one.requests.len() as u64;
        for number in 0..count {
            let pick = |step: u64| {
                let mixed = (number * 2 + step + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let way = usize::try_from((mixed >> 8) % 3).unwrap();
                ((mixed >> 32) % requests, WAYS[way])
            };
            kills.push(Kill {
                story: one.story,
                character: one.character,
                at: vec![pick(0), pick(1)],
                forgets: number % 4 == 3,
                held: None,
            });
        }
    }
    kills
}

fn run_matrix(start: usize, step: usize) {
    let bases = Bases::new();
    let clean: Vec<Clean> = Bases::each()
        .map(|(story, character)| Clean::of(&bases, story, character))
        .collect();
    let mut whole = all(&clean);
    whole.extend(twice(&clean, 100));
    let count = whole.len();
    let kills = share(whole, start, step);
    let results = try_all(&kills, |one| attempt(&bases, &clean, one));
    let mut failures = 0;
    let mut killed = 0;
    let mut ends: BTreeMap<i32, usize> = BTreeMap::new();
    for result in &results {
        match result {
            Ok(done) => {
                killed += done.runs;
                *ends.entry(done.exit).or_default() += 1;
            }
            Err(_told) => failures += 1,
        }
    }
    let points: BTreeSet<_> = kills
        .iter()
        .flat_map(|kill| {
            let of = (kill.story, kill.character);
            let place = move |point: &(u64, Way)| format!("{of:?} {point:?}");
            kill.at.iter().map(place)
        })
        .collect();
    println!("{killed} runs killed, exit codes of the next run {ends:?}");
    println!(
        "kill matrix: {}; {} kill points; {failures} failures",
        share_of(kills.len(), count),
        grouped(points.len())
    );
    assert_eq!(failures, 0);
}

#[test]
fn a_run_that_is_killed_at_a_sample_of_all_points_ends_the_same() {
    run_matrix(5, 97);
}

/// For `tests/scripts/kill-matrix.sh`.
#[test]
#[ignore = "takes long; tests/scripts/kill-matrix.sh runs it"]
fn the_whole_matrix() {
    run_matrix(setting("START", 0), setting("STEP", 1));
}
