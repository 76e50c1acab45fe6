"""Opens exports of a run with xarray and ArviZ as they are, holds ArviZ's figures against the run's own, and draws its plots.

Called by tests/program/arviz_export.rs as: open_export.py RUN PICTURES [COMPARISON]. RUN holds diagnostics.json and export/*.zarr; into
PICTURES go the plots; COMPARISON is what `longrun compare --json` printed of RUN. Prints one JSON object with the largest differences.
Nothing here repairs or renames what was exported.
"""

import json
import pathlib
import sys
import warnings

import arviz
import matplotlib
import numpy
import xarray
from arviz_stats.base import array_stats

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

run, pictures = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
comparison = json.loads(pathlib.Path(sys.argv[3]).read_text()) if len(sys.argv) > 3 else None
diagnostics = json.loads((run / "diagnostics.json").read_text())


def difference(ours, theirs):
    """Relative, of figures that both have."""
    return abs(ours - theirs) / max(abs(theirs), 1e-300)


def opened(path):
    """The store as a DataTree and as InferenceData; a warning on the way is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = xarray.open_datatree(path, engine="zarr").load()
        return tree, arviz.InferenceData.from_datatree(tree)


def figures(fit, tree, idata):
    """The largest differences of R-hat and ESS, by what computes them."""
    worst = {"r_hat": 0.0, "ess_bulk": 0.0, "ess_tail": 0.0, "arviz_stats": 0.0, "mean": 0.0}
    theirs = {
        "r_hat": arviz.rhat(idata.posterior),
        "ess_bulk": arviz.ess(idata.posterior, method="bulk"),
        "ess_tail": arviz.ess(idata.posterior, method="tail"),
        "mean": idata.posterior.mean(("chain", "draw")),
    }
    compared = 0
    for p in (p for p in diagnostics["parameters"] if p["fit"] == fit):
        # A dimension whose name is taken has been given another.
        dims = {f"{dim}_dim" if f"{dim}_dim" in tree["posterior"].dims else dim: label for dim, label in p["coords"].items()}
        for key, values in theirs.items():
            if p[key] is not None:
                worst[key] = max(worst[key], difference(p[key], float(values[p["name"]].sel(dims))))
                compared += 1
        draws = tree["posterior"][p["name"]].sel(dims).values
        for key, value in (
            ("r_hat", array_stats.rhat(draws, chain_axis=0, draw_axis=1)),
            ("ess_bulk", array_stats.ess(draws, chain_axis=0, draw_axis=1, method="bulk")),
        ):
            if p[key] is not None:
                worst["arviz_stats"] = max(worst["arviz_stats"], difference(p[key], float(value)))
    return worst, compared


def plots(fit, idata, names):
    """File sizes of ArviZ's plots."""
    sizes = {}

    def save(kind):
        path = pictures / f"{fit}-{kind}.png"
        plt.gcf().savefig(path)
        plt.close("all")
        sizes[kind] = path.stat().st_size

    arviz.plot_trace(idata, var_names=names)
    save("trace")
    arviz.plot_rank(idata, var_names=names)
    save("rank")
    arviz.plot_energy(idata)
    save("energy")
    arviz.plot_forest(idata, var_names=names, combined=True)
    save("forest")
    first = {dim: [0] for dim in idata.posterior[names[0]].dims if dim not in ("chain", "draw")}
    arviz.plot_pair(idata.isel(groups=["posterior", "prior"], **first), var_names=names, divergences=True)
    save("pair")
    if "prior" in idata.groups():
        arviz.plot_dist_comparison(idata, var_names=names[:1])
        save("prior")
    return sizes


def described(tree):
    """What a test may want to know of the groups."""
    return {
        name: {"dims": dict(node.sizes), "variables": sorted(node.data_vars), "dtypes": {k: str(v.dtype) for k, v in node.data_vars.items()}}
        for name, node in tree.children.items()
    }


answer = {}
for store in sorted((run / "export").glob("*.zarr")):
    fit = store.stem
    tree, idata = opened(store)
    assert tree.attrs["inference_library"] == "longrun" and "created_at" not in tree.attrs, tree.attrs
    worst, compared = figures(fit, tree, idata)
    names = list(tree["posterior"].data_vars)[:2]
    of_fit = {"worst": worst, "compared": compared, "groups": described(tree), "pictures": plots(fit, idata, names)}
    # One file opens one group as well.
    alone = xarray.open_zarr(store, group="posterior")
    assert alone.identical(xarray.open_zarr(store, group="posterior", consolidated=False)), "consolidated metadata differ"
    of_fit["sampling_time"] = alone.attrs.get("sampling_time")
    if "customer" in tree["observed_data"].dims:
        of_fit["first_customer"] = str(tree["observed_data"]["customer"].values[0])
        of_fit["purchases"] = int(tree["observed_data"]["frequency"].sum())
    if "log_likelihood" in tree.children:
        assert (tree["log_likelihood"]["customer"] == tree["observed_data"]["customer"]).all()
        # Ours takes draws as independent when it looks for the tail.
        loo = arviz.loo(idata, reff=1.0, pointwise=True)
        # ArviZ divides the variance over customers by n, we and R's loo by n - 1.
        n = loo.n_data_points
        of_fit["loo"] = {"elpd": float(loo.elpd_loo), "se": float(loo.se) * (n / (n - 1)) ** 0.5, "p_loo": float(loo.p_loo), "k_max": float(loo.pareto_k.max())}
    if "warmup_posterior" in tree.children:
        assert "warmup_posterior" in idata.groups() or "_groups_warmup" in dir(idata)
        of_fit["warmup_steps"] = numpy.unique(tree["warmup_sample_stats"]["step_size"].values).size
    answer[fit] = of_fit

if comparison is not None:
    ours = next(r for r in comparison["runs"] if pathlib.Path(r["run"]).name == run.name)["loo"]
    theirs = answer["purchase"]["loo"]
    pairs = (("elpd", "elpd"), ("elpd_se", "se"), ("p_loo", "p_loo"), ("k_max", "k_max"))
    answer["purchase"]["loo_differences"] = {a: difference(ours[a], theirs[b]) for a, b in pairs}

print(json.dumps(answer))
