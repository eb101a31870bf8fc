"""A search's best network goes into MLflow's model registry, under the sweep's name."""

from gaitlab.runs.folder import run_folder
from gaitlab.sweeps.study import Study
from gaitlab.tracking.model import register


def register_winner(study: Study) -> str:
    """Register the best trial's network unless it was the best before; a line about it, "" where nothing was chosen.

    Nothing is chosen by an ablation, by several objectives, and where no trial is complete.
    """
    sweep = study.sweep
    done = [t for t in study.trials() if t.state == "COMPLETE"]
    if not sweep.space or len(sweep.goals) > 1 or not done:
        return ""
    choose = max if sweep.goals[0].goal == "maximize" else min
    best = choose(done, key=lambda t: t.values[0])
    if study.winner == best.run:
        return ""
    try:
        made = register(run_folder(best.run), sweep.name)
    except (ValueError, OSError) as error:  # e.g. a store that is away
        return f"trial {best.number} is the best; its network was not registered: {error}"
    study.winner = best.run
    return f"trial {best.number} is the best; registered as {made.name}, version {made.version}:\n{made.load}"
