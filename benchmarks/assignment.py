"""Assignment policies in simulated teams over eight weeks: how soon work is done, and whether forecasts hold.

python benchmarks/assignment.py [--teams 8] [--seed 1] [--json benchmarks/figures/assignment.json]

The policies, what they learn and the forecast are those of labelyard; people, their work and the clock are simulated.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from simulated_team import Person, lower_bound, make_team
from simulated_weeks import Weeks

POLICIES = {"round_robin": None, "least_loaded": None, "pool": 1, "forecast": 1}
"""Each with the limit that a dataset file gives it if it names none."""


def main() -> None:
    """Simulate the teams with each policy, and print what is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teams", type=int, default=8)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.teams} teams")
    result: dict[str, Any] = {"seed": given.seed, "teams": given.teams}
    for name, spread in (("threefold", 3.0), ("alike", 1.0)):
        result[name] = of_spread(given.seed, given.teams, spread)
        print(f"speeds {name}")
        for policy, found in result[name].items():
            print(f"  {policy:13}", "  ".join(f"{key} {value:.3g}" for key, value in found.items()))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


def of_spread(seed: int, teams: int, spread: float) -> dict[str, dict[str, float]]:
    """Return what is measured by policy; the same teams, lots and days for each."""
    asked = [(policy, f"{seed} {spread} {team}") for policy in POLICIES for team in range(teams)]
    with ProcessPoolExecutor() as pool:
        done = list(pool.map(_run, asked, [spread] * len(asked)))
    runs = {policy: [one for (of, _), one in zip(asked, done, strict=True) if of == policy] for policy in POLICIES}
    found = {}
    for policy, of_policy in runs.items():
        hours = [hours for one in of_policy for hours in one["hours"]]
        bounds = [hours for one in of_policy for hours in one["bounds"]]
        robin = [hours for one in runs["round_robin"] for hours in one["hours"]]
        foreseen = [one for of_team in of_policy for one in of_team["foreseen"]]
        found[policy] = {
            "hours": statistics.mean(hours),
            "bound": statistics.mean(bounds),
            "over_bound": sum(hours) / sum(bounds) - 1,
            "sooner_than_round_robin": 1 - sum(hours) / sum(robin),
            "spread_of_load": statistics.mean(one["spread"] for one in of_policy),
            "accepted_at_once": statistics.mean(one["accepted"] for one in of_policy),
            **{f"{of}_{what}": number for of in ("batch", "backlog") for what, number in _ranges(foreseen, of).items()},
            "ms_per_choice": statistics.mean(one["ms_per_choice"] for one in of_policy),
            "ms_per_forecast": statistics.mean(one["ms_per_forecast"] for one in of_policy),
        }
    return found


def _ranges(foreseen: list[tuple[str, str]], subject: str) -> dict[str, float]:
    """Return how many 80 % ranges of a subject held, and which shares of ends were before and after them."""
    missed = [how for of, how in foreseen if of == subject]
    found = {what: missed.count(how) / max(1, len(missed)) for what, how in (("held", ""), ("early", "early"))}
    return {"forecasts": len(missed), **found, "late": 1 - sum(found.values())}


def _run(asked: tuple[str, str], spread: float) -> dict[str, Any]:
    """Return what one team did with a policy."""
    policy, seed = asked
    rng = random.Random(seed)
    team = make_team(rng, spread)
    weeks = Weeks(team, policy, POLICIES[policy], random.Random(f"{seed} work"))
    began = time.process_time()
    weeks.run()
    total = time.process_time() - began
    bounds = bounds_of(team, weeks)
    hours = [(end - begin) / 60 for begin, end in zip(weeks.begins, weeks.ends, strict=True)]
    return {
        "hours": hours[1:],  # of the first lot nothing is known before
        "bounds": bounds[1:],
        "spread": weeks.spread_of_load(),
        "accepted": weeks.accepted_at_once(),
        "foreseen": [(one.subject, one.missed) for one in weeks.foreseen],
        "ms_per_choice": 1000 * (total - weeks.forecast_seconds) / max(1, weeks.looks),
        "ms_per_forecast": 1000 * weeks.forecast_seconds / max(1, len(weeks.foreseen)),
    }


def bounds_of(team: list[Person], weeks: Weeks) -> list[float]:
    """Return in how many hours each lot could have been done; nothing of the lots before it is left."""
    return [
        (lower_bound(team, begin, weeks.minutes_of_lot(lot)) - begin) / 60 for lot, begin in enumerate(weeks.begins)
    ]


if __name__ == "__main__":
    main()
