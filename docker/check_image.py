"""Performs the runtime stages of Dockerfile.gpu in Debian roots of its own and tries what comes out, with no Docker engine.

Every RUN is run as it stands, in a root that debootstrap made of the stage's suite; COPY, ENV, USER, WORKDIR and ENTRYPOINT are followed.
Then the program runs there as an engine would run it with `--read-only --tmpfs /tmp --volume …:/var/lib/longrun --network none`: as the
image's user, root file system read-only, no network. What it cannot stand in for: the engine's own build (layers, BuildKit's syntax line),
the builder stage (the binary is handed in) and NVIDIA's driver.

Usage: check_image.py BINARY CACHE. Called by scripts/check_image.sh.
"""

import csv
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dockerfile import pairs, road, stages

HOUSE = Path(__file__).resolve().parent.parent
DOCKERFILE = HOUSE / "Dockerfile.gpu"
MIRROR = os.environ.get("LONGRUN_DEBIAN_MIRROR", "http://deb.debian.org/debian")
checked = 0


def say(text):
    print(text, flush=True)


def check(holds, what):
    """Counts one thing that must be true, and says which."""
    global checked
    if not holds:
        say(f"  FAILED: {what}")
        sys.exit(1)
    checked += 1
    say(f"  ok: {what}")


def run(command, **more):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)


def must(command, **more):
    done = run(command, **more)
    if done.returncode != 0:
        say(f"{shlex.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout[-3000:]}")
        sys.exit(1)
    return done.stdout


class Image:
    """A stage, performed: its root, and what ENV, USER, WORKDIR, … said."""

    def __init__(self, name, binary, cache):
        base, self.steps = road(stages(DOCKERFILE.read_text()), name)
        suite = re.fullmatch(r"debian:(\w+)-slim(?:@sha256:[0-9a-f]{64})?", base)
        check(suite, f"stage {name} is built on a slim Debian ({base})")
        self.name, self.suite, self.binary = name, suite[1], binary
        self.env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.said = {}
        for word, rest in self.steps:
            if word == "ENV":
                self.env.update(pairs(rest))
            elif word == "LABEL":
                self.said.setdefault("LABEL", {}).update(pairs(rest))
            elif word not in ("RUN", "COPY"):
                self.said[word] = rest
        known = {"RUN", "COPY", "ENV", "LABEL", "USER", "WORKDIR", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
        strange = {word for word, _ in self.steps} - known
        check(not strange, f"every instruction of stage {name} is one that this check performs {sorted(strange) or ''}")
        self.root = self.made(cache)

    def made(self, cache):
        """The root, from the cache when the steps that change it are the same and it is younger than a week."""
        recipe = json.dumps([self.suite, [step for step in self.steps if step[0] in ("RUN", "COPY")]])
        root = cache / f"{self.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
        stamp = root.with_suffix(".done")
        if stamp.exists() and time.time() - stamp.stat().st_mtime < 7 * 86400:
            say(f"  {self.name}: {root} is there from before")
        else:
            for old in cache.glob(f"{self.name}-*"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            must(["cp", "-a", self.debian(cache), root])
            for word, rest in self.steps:
                if word == "RUN":
                    say(f"  RUN {rest[:150]}{' …' if len(rest) > 150 else ''}")
                    must(["chroot", root, "/bin/sh", "-c", rest], env={"PATH": self.env["PATH"], "DEBIAN_FRONTEND": "noninteractive"})
            stamp.touch()
        # Files are laid in each time: they, and the binary, may have changed. --from=builder is the binary that was handed in.
        for word, rest in self.steps:
            if word == "COPY":
                self.copy(root, rest)
        return root

    def debian(self, cache):
        root = cache / f"debian-{self.suite}"
        if not root.with_suffix(".done").exists():
            shutil.rmtree(root, ignore_errors=True)
            say(f"  debootstrap {self.suite} (a minute or two, once)")
            must(["debootstrap", "--variant=minbase", self.suite, root, MIRROR])
            root.with_suffix(".done").touch()
        return root

    def copy(self, root, rest):
        words = shlex.split(rest)
        flags, (*sources, target) = [w for w in words if w.startswith("--")], [w for w in words if not w.startswith("--")]
        for source in sources:
            if "--from=builder" in flags:
                made = f"/out/{Path(source).name}"
                builder = next(s for s in stages(DOCKERFILE.read_text()) if s.name == "builder")
                check(source == made and any(made in r for w, r in builder.steps if w == "RUN"), f"the builder makes {source}")
                built = [r for w, r in builder.steps if w == "RUN" and "cargo build" in r]
                check(any("--features cloud" in r for r in built), "the program that is built reaches buckets")
                origin = self.binary
            else:
                origin = HOUSE / source
                check(travels(source), f"{source} is not kept out by .dockerignore")
            place = root / target.lstrip("/")
            place = place / Path(source).name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, place)
            place.chmod(0o755 if origin == self.binary else 0o644)

    def run(self, command, volume, env=None):
        """Runs a command as an engine would, on a read-only root with a volume; returns (exit code, what it printed)."""
        uid, gid = self.said["USER"].split(":")
        inside = " && ".join(
            [
                f'mount --bind "{self.root}" "{self.root}"',
                f'mount --bind "{volume}" "{self.root}{self.said["VOLUME"]}"',
                f'mount -t tmpfs tmpfs "{self.root}/tmp"',
                f'mount -t proc proc "{self.root}/proc"',
                f'mount --bind /dev "{self.root}/dev"',
                f'mount -o remount,ro,bind "{self.root}"',
                f'exec chroot --userspec={uid}:{gid} --groups={gid} "{self.root}" /bin/sh -c \'cd "$1" && shift && exec "$@"\' sh "$@"',
            ]
        )
        words = ["unshare", "--mount", "--pid", "--fork", "--net", "/bin/sh", "-c", inside, "sh", self.said["WORKDIR"]] + command
        done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**self.env, **(env or {})}, timeout=300)
        return done.returncode, done.stdout

    def longrun(self, arguments, volume, env=None):
        return self.run(json.loads(self.said["ENTRYPOINT"]) + arguments, volume, env)


def travels(path):
    """Whether .dockerignore lets a path into the build: the last rule that speaks of it decides."""
    let = True
    for rule in (HOUSE / ".dockerignore").read_text().splitlines():
        rule = rule.strip()
        if rule and not rule.startswith("#"):
            bare = rule.lstrip("!").rstrip("/")
            if bare == "*" or path == bare or path.startswith(bare + "/"):
                let = rule.startswith("!")
    return let


def glibc_needed(binary):
    """The newest glibc whose symbols the binary asks for."""
    text = must(["objdump", "-T", binary])
    return max((tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_(\d+\.\d+)", text)))


def mebibytes(root):
    return int(must(["du", "-sm", "--one-file-system", root]).split()[0])


def fresh_volume(cache, image):
    volume = cache / "volume"
    shutil.rmtree(volume, ignore_errors=True)
    volume.mkdir()
    uid, gid = map(int, image.said["USER"].split(":"))
    os.chown(volume, uid, gid)
    # The demo's configuration is no part of the image; whoever runs it brings their own.
    shutil.copy(HOUSE / "configs/demo.toml", volume / "demo.toml")
    return volume


def fit(image, volume, output, settings):
    """The demo: summarise, fit, judge, predict, report. Asserts on the files rather than on what was printed."""
    arguments = ["run", "demo.toml", "--quiet", "--set", f"output.dir={output}", "--set", "predict.draws=100"]
    code, said = image.longrun(arguments + [word for s in settings for word in ("--set", s)], volume)
    check(code in (0, 1), f"the demo ends ({code}): {said.strip().splitlines()[-1] if code not in (0, 1) else output}")
    there = volume / output
    telemetry = json.loads((there / "telemetry.json").read_text())
    diagnostics = json.loads((there / "diagnostics.json").read_text())
    rows = list(csv.DictReader((there / "customers.csv").open()))
    check(len(rows) == 1500, "customers.csv has a row for each of the 1,500 customers")
    check(all(0 <= float(row["p_alive"]) <= 1 for row in rows), "every P(alive) is a probability")
    check((there / "report.html").stat().st_size > 50_000, "report.html is a whole page")
    check(diagnostics["verdict"] in ("pass", "warn"), f"the verdict is {diagnostics['verdict']}")
    return telemetry["backend"], {json.dumps([p["fit"], p["name"], p["coords"]]): p for p in diagnostics["parameters"]}, said


def main():
    binary, cache = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    cache.mkdir(parents=True, exist_ok=True)

    say("== the stage that is built when nobody names one")
    found = stages(DOCKERFILE.read_text())
    check(road(found, found[-1].name)[1] == road(found, "runtime")[1], f"the last stage, {found[-1].name}, is `runtime` itself")
    image = Image("runtime", binary, cache)
    check(image.said["USER"] == "10001:10001", "USER is a fixed number, not root")
    check(image.said["STOPSIGNAL"] == "SIGTERM", "STOPSIGNAL is SIGTERM")
    check(json.loads(image.said["ENTRYPOINT"]) == ["longrun"], "ENTRYPOINT is the program itself, so that signals reach it")
    check('["longrun", "doctor"]' in image.said["HEALTHCHECK"], "HEALTHCHECK is `longrun doctor`")
    capabilities = image.env["NVIDIA_DRIVER_CAPABILITIES"].split(",")
    check({"compute", "utility", "graphics"} <= set(capabilities), f"driver capabilities {capabilities} hold graphics")
    check(image.env["NVIDIA_VISIBLE_DEVICES"] == "all", "every GPU is visible")
    check(image.env["LONGRUN_WORK"] == image.said["VOLUME"] == image.env["HOME"], "work, home and the volume are one folder")
    needed = glibc_needed(binary)
    there = tuple(map(int, re.search(r"(\d+)\.(\d+)\s*$", must(["chroot", image.root, "ldd", "--version"]).splitlines()[0]).groups()))
    check(needed <= there, f"the program asks for glibc {needed[0]}.{needed[1]}; {image.suite} has {there[0]}.{there[1]}")
    check("not found" not in must(["chroot", image.root, "ldd", "/usr/local/bin/longrun"]), "every library that the program links is there")
    packages = (image.root / "usr/share/doc/longrun/packages.txt").read_text()
    check("libvulkan1" in packages and "mesa-vulkan" not in packages, f"packages.txt lists {len(packages.splitlines())} packages, Mesa's drivers not among them")

    say("== without any Vulkan driver: the CPU, and says so")
    volume = fresh_volume(cache, image)
    code, said = image.longrun(["doctor"], volume)
    check(code == 0 and "no graphics adapter" in said and "on the CPU in f64" in said, "doctor is healthy and says that there is no adapter and that the CPU works")
    say("    " + "\n    ".join(said.strip().splitlines()))
    code, said = image.run(["/bin/sh", "-c", "id -u; touch /usr/local/x /etc/x; touch /tmp/x /var/lib/longrun/x && echo wrote"], volume)
    check("10001" in said and said.count("Read-only file system") == 2 and "wrote" in said, "the user is 10001; the root is read-only; the volume and /tmp are not")
    code, said = image.longrun(["simulate", "--output", "data/demo", "--customers", "1500"], volume)
    check(code == 0, "simulate writes a shop into the volume")
    on_cpu, cpu, said = fit(image, volume, "runs/auto", [])
    check(on_cpu.startswith("cpu"), f"auto chose the CPU ({on_cpu})")
    check("on the CPU" in said, "and said so: " + next(line for line in said.splitlines() if "on the CPU" in line))
    code, said = image.longrun(["run", "demo.toml", "--quiet", "--set", "compute.backend=gpu", "--set", "output.dir=runs/none"], volume)
    check(code == 2 and "there is no adapter to compute on" in said, "asked for a GPU that is not there, it fails with: " + said.strip().splitlines()[-1])

    say("== our ICD file")
    icd = "/usr/share/vulkan/icd.d/nvidia_egl_icd.json"
    check((image.root / icd.lstrip("/")).exists(), f"{icd} is there, under a name that the toolkit does not lay its own over")
    library = json.loads((image.root / icd.lstrip("/")).read_text())["ICD"]["library_path"]
    check(library == "libEGL_nvidia.so.0", f"{icd} names {library}")
    code, said = image.longrun(["doctor"], volume, {"VK_LOADER_DEBUG": "all"})
    check(code == 0 and icd in said and f"{library}: cannot open" in said, "Vulkan's loader reads it, looks for the library, and goes on without")

    say("== the stage `software`, on llvmpipe")
    soft = Image("software", binary, cache)
    check(soft.said["USER"] == "10001:10001", "it hands back to the user")
    shutil.rmtree(volume / "runs")
    code, said = soft.longrun(["doctor"], volume)
    check(code == 0 and "llvmpipe" in said and "self-test passed" in said, "doctor finds llvmpipe, and its self-test passes")
    say("    " + "\n    ".join(said.strip().splitlines()))
    on_gpu, gpu, _ = fit(soft, volume, "runs/llvmpipe", ["compute.backend=gpu", "compute.adapter=llvmpipe"])
    check(on_gpu.startswith("gpu: llvmpipe"), f"the fit ran on {on_gpu}")
    # Both are Monte Carlo: 0.25 sd is about eight standard errors of a mean at the 1,000 effective draws that either has.
    gap, where = max((abs(gpu[key]["mean"] - p["mean"]) / p["sd"], key) for key, p in cpu.items() if p["sd"])
    check(gap < 0.25, f"means of {len(cpu)} parameters agree with the CPU's within {gap:.2f} posterior sd (the most: {where})")

    # Stands in for what the toolkit does: a Vulkan driver appears under the name that our file gives, and nothing else changes.
    injected = volume / "injected"
    injected.mkdir()
    driver = json.loads(next((soft.root / "usr/share/vulkan/icd.d").glob("lvp_icd*.json")).read_text())["ICD"]["library_path"]
    (injected / library).symlink_to(driver)
    code, said = soft.longrun(["doctor"], volume, {"VK_DRIVER_FILES": icd, "VK_ICD_FILENAMES": icd, "LD_LIBRARY_PATH": "/var/lib/longrun/injected"})
    check(code == 0 and "llvmpipe" in said and "self-test passed" in said, f"with a driver under the name {library}, our file alone leads to it")

    program = binary.stat().st_size / 2**20
    say("== sizes on disk, MiB")
    debian, plain, mesa = mebibytes(soft.debian(cache)), mebibytes(image.root), mebibytes(soft.root)
    say(f"  program {program:.0f} (as handed in); Debian of debootstrap {debian} (Docker's slim image has less); runtime {plain}; software {mesa}")
    say(f"image: {checked} passed, 0 failed")


if __name__ == "__main__":
    main()
