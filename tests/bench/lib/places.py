"""What the benchmarks run: the program, the tool beside it, the peers in a virtual
environment, nginx; and the servers that they talk to."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCH.parent.parent
OUT = BENCH / "out"
DATASET = "bench.speed"
PEERS = {"redivis": "0.21.1", "duckdb": "2.0.0", "polars": "2.1.0"}


def environment(**more):
    """Away from the user's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return {**kept, "REDIVIS_API_TOKEN": "benchmark", **more}


def quiet(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def built(profile, arguments):
    """Builds something; answers where it is."""
    command = ["cargo", "build", "--locked", "--message-format=json-render-diagnostics"]
    if profile == "release":
        command.append("--release")
    lines = quiet([*command, *arguments], cwd=ROOT).splitlines()
    found = [json.loads(line) for line in lines]
    return next(one["executable"] for one in reversed(found) if one.get("executable"))


def binaries(given_binary, given_tool):
    program = given_binary or built("release", ["--bin", "redivis-ingest"])
    tool = given_tool or built("release", ["--bench", "tool"])
    return pathlib.Path(program).resolve(), pathlib.Path(tool).resolve()


def peers():
    """The virtual environment with the peers; answers its interpreter."""
    python = OUT / "venv" / "bin" / "python"
    wanted = [f"{name}=={version}" for name, version in PEERS.items()]
    code = "import importlib.metadata as m, sys; sys.exit(any(m.version(p.split('==')[0]) != p.split('==')[1] for p in sys.argv[1:]))"
    if python.exists():
        if subprocess.run([python, "-c", code, *wanted], capture_output=True).returncode == 0:
            return python
    else:
        quiet(["python3", "-m", "venv", OUT / "venv"])
    quiet([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
    return python


def nginx():
    """nginx: the system's, else Debian's package, unpacked beside the data."""
    found = shutil.which("nginx")
    unpacked = OUT / "nginx" / "usr" / "sbin" / "nginx"
    if found or unpacked.exists():
        return found or unpacked
    folder = OUT / "nginx-package"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    quiet(["apt-get", "download", "nginx"], cwd=folder)
    package = next(folder.glob("nginx_*.deb"))
    quiet(["dpkg", "-x", package, OUT / "nginx"])
    return unpacked


def versions(program, python, nginx_program):
    def first(command):
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout + done.stderr).splitlines()[0]

    return [
        first([program, "--version"]),
        first([python, "--version"]),
        *(f"{name} {version}" for name, version in PEERS.items()),
        first(["curl", "--version"]).split(" (")[0],
        first([nginx_program, "-v"]).removeprefix("nginx version: "),
        first(["find", "--version"]),
    ]


def machine():
    """Two lines about the machine."""
    model = memory = ""
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    for line in open("/proc/meminfo"):
        if line.startswith("MemTotal"):
            memory = f"{int(line.split()[1]) / 1048576:.0f} GiB"
    sha = "with" if "sha_ni" in flags else "without"
    kernel = os.uname().release
    return f"{os.cpu_count()} cores of {model}, {sha} SHA instructions, {memory}, Linux {kernel}"


class Server:
    """The sandbox in a process of its own, on a fresh folder."""

    def __init__(self, tool, latency_ms=0, content="keep", data=None):
        self.data = data or OUT / "server"
        self.keeps = data is not None
        if not self.keeps:
            shutil.rmtree(self.data, ignore_errors=True)
        command = [tool, "serve", self.data, str(latency_ms), content, DATASET]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        told = json.loads(self.process.stdout.readline())
        self.endpoint, self.storage = told["endpoint"], told["storage"]
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        if not self.keeps:
            shutil.rmtree(self.data, ignore_errors=True)

    def stats(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


CONFIG = """worker_processes {cores};
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  client_body_buffer_size 64k;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/files;
    location / {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


# Room for the largest set of files twice: nginx keeps a body before it has its name.
MEMORY_NEEDED = 5 << 30


def memory_folder(name):
    """A new folder whose files are on no disk, where the machine has room for that."""
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free >= MEMORY_NEEDED:
        return pathlib.Path(tempfile.mkdtemp(prefix=f"redivis-ingest-{name}-", dir=memory))
    return fresh(name)


class Nginx:
    """nginx that stores what is put."""

    def __init__(self, program):
        self.folder = memory_folder("nginx-data")
        (self.folder / "files" / "put").mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = self.folder / "nginx.conf"
        config.write_text(CONFIG.format(cores=os.cpu_count(), folder=self.folder, port=port))
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [program, "-p", self.folder, "-c", config, *user],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"http://127.0.0.1:{port}/put"
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("nginx did not start: " + (self.folder / "error.log").read_text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        """Its own and those of its workers."""
        own = self.process.pid
        workers = pathlib.Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [own, *map(int, workers)]

    def empty(self):
        shutil.rmtree(self.folder / "files" / "put", ignore_errors=True)
        (self.folder / "files" / "put").mkdir()

    def stored(self, index):
        return self.folder / "files" / "put" / str(index)
