"""Simulated data of the multilevel reference results: `python make_csv.py` here, then `Rscript reference.R`."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def three_level(rng: np.random.Generator) -> list[str]:
    """Twelve sites, their patients, up to six visits each; some patients change between two of twenty therapists."""
    rows = ["site,therapist,patient,month,poor,y"]
    site_effect = rng.normal(0, 0.5, (12, 2)) * [1, 0.02]
    therapist_effect = rng.normal(0, 0.4, 20)
    patient = 0
    for site in range(12):
        for _ in range(int(rng.integers(6, 14))):
            patient += 1
            level, slope = rng.multivariate_normal([0, 0], [[0.5, -0.005], [-0.005, 0.0006]])
            poor = int(rng.random() < 0.4)
            therapists = rng.integers(0, 20, 2)
            for visit in range(int(rng.integers(2, 7))):
                month = 3 + 6 * visit + int(rng.integers(-1, 2))
                therapist = therapists[int(visit > 2 and patient % 3 == 0)]
                mean = 5 + site_effect[site, 0] + therapist_effect[therapist] + level - 0.1 * poor
                y = mean + (0.02 + site_effect[site, 1] + slope - 0.03 * poor) * month + rng.normal(0, 0.6)
                rows.append(f"s{site + 1:02d},t{therapist + 1:02d},p{patient:03d},{month},{poor},{y:.3f}")
    return rows


def visits(rng: np.random.Generator) -> list[str]:
    """Two arms, a score before and three visits whose errors are correlated, with dropout."""
    rows = ["patient,arm,pre,visit,y"]
    covariance = np.array([[60.0, 40, 30], [40, 75, 50], [30, 50, 95]])
    for patient in range(90):
        arm, pre = patient % 2, rng.normal(24, 8)
        error = rng.multivariate_normal(np.zeros(3), covariance)
        for visit, month in enumerate((2, 5, 8)):
            y = 6 + 0.5 * pre - 2 * visit - (2 + visit) * arm + error[visit]
            rows.append(f"p{patient:03d},{'active' if arm else 'usual'},{pre:.2f},{month},{y:.2f}")
            if rng.random() < 0.15:
                break
    return rows


def scales(rng: np.random.Generator) -> list[str]:
    """Three scales at each of up to six assessments, intercepts and slopes correlated over scales."""
    rows = ["patient,assessment,month,poor,task,goal,bond"]
    spread = np.array([0.8, 0.7, 0.75, 0.05, 0.045, 0.04])
    correlation = np.full((6, 6), -0.2)
    correlation[:3, :3] = 0.7 + 0.3 * np.eye(3)
    correlation[3:, 3:] = 0.6 + 0.4 * np.eye(3)
    covariance = correlation * np.outer(spread, spread)
    errors = 0.12 * (0.5 + 0.5 * np.eye(3))
    assessment = 0
    for patient in range(130):
        effect = rng.multivariate_normal(np.zeros(6), covariance)
        poor = int(patient % 5 < 2)
        for visit in range(int(rng.integers(2, 7))):
            assessment += 1
            month = 3 + 6 * visit
            slope = np.array([0.03, 0.03, 0.03]) - poor * np.array([0.05, 0.03, 0.02]) + effect[3:]
            y = np.array([5.0, 4.9, 5.1]) + effect[:3] + slope * month + rng.multivariate_normal(np.zeros(3), errors)
            shown = [f"{value:.3f}" for value in y]
            if rng.random() < 0.04:
                shown[int(rng.integers(0, 3))] = ""
            rows.append(f"p{patient:03d},a{assessment:04d},{month},{poor},{','.join(shown)}")
    return rows


if __name__ == "__main__":
    for name, make in {"three_level": three_level, "visits": visits, "scales": scales}.items():
        (HERE / f"{name}.csv").write_text("\n".join(make(np.random.default_rng(20201))) + "\n", encoding="utf-8")
