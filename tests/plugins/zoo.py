"""Plugins that change what is not theirs, and honest ones: by name, the module's text and what the host must say.

Each text is followed by LAYER, so that a plugin which is not refused registers one layer.
"""

LAYER = '''

from graphnet import Layer as _Layer
from graphnet.plugins import hookimpl as _hookimpl


class {name}(_Layer):
    """y = 2 x."""

    def apply(self, x):
        return 2 * x, None

    def pull(self, saved, error):
        return 2 * error


@_hookimpl
def graphnet_register_layers(register):
    register({name})
'''

#: What is restored; the plugin is loaded, and a note has the words.
RESTORED = {
    "PutEnv": ("import os\nos.putenv('ZOO_PUT', '1')", "the environment (ZOO_PUT)"),
    "CEnv": ("import ctypes\nctypes.CDLL(None).setenv(b'ZOO_C', b'1', 1)", "the environment (ZOO_C)"),
    "EnvClass": ("import os\ntype(os.environ).get = lambda *a: 'x'", "the environment"),
    "CSignal": ("import ctypes\nctypes.CDLL(None).signal(15, 1)", "signal handlers (SIGTERM)"),
    "RandomClass": ("import random\nrandom._inst.__class__ = type('R', (random.Random,), {'random': lambda self: 0.5})", "Python's global random state"),
    "CatchOpen": ("import warnings\nopened = warnings.catch_warnings(record=True)\nopened.__enter__()", "the warning filters"),
    "Planted": ("import sys, types\nsys.modules['colorsys'] = types.ModuleType('colorsys')", "replaces sys.modules['colorsys']"),
    "Sorting": ("import networkx\nnetworkx.topological_sort = lambda g: []", "replaces networkx.topological_sort"),
    # the environment, the folder, the operating system
    "Env": ("import os\nos.environ['OMP_NUM_THREADS'] = '7'\nos.environ['ZOO'] = '1'", "the environment (OMP_NUM_THREADS, ZOO)"),
    "EnvCleared": ("import os\nos.environ.clear()", "the environment"),
    "EnvDeleted": ("import os\nos.environ.pop('PATH', None)\ndel os.environ['HOME']", "the environment (HOME"),
    "EnvReplaced": ("import os\nos.environ = {'A': 'b'}", "the environment"),
    "EnvNone": ("import os\nos.environ = None", "the environment"),
    "TimeZone": ("import os, time\nos.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()", "the environment (TZ)"),
    "Folder": ("import os\nos.chdir('/')", "the working directory"),
    "FolderGone": ("import os, tempfile\nd = tempfile.mkdtemp()\nos.chdir(d)\nos.rmdir(d)", "the working directory"),
    "Umask": ("import os\nos.umask(0o777)", "the file mode mask"),
    "Interrupt": ("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)", "signal handlers (SIGINT"),
    "Terminate": ("import signal\nsignal.signal(signal.SIGTERM, lambda *a: None)\nsignal.signal(signal.SIGUSR1, print)", "signal handlers (SIG"),
    "Alarm": ("import signal\nsignal.alarm(600)", "signal handlers (alarm"),
    "Blocked": ("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])", "signal handlers (blocked"),
    "Limits": ("import resource as r\nr.setrlimit(r.RLIMIT_NOFILE, (64, r.getrlimit(r.RLIMIT_NOFILE)[1]))", "resource limits"),
    "OneProcessor": ("import os\nos.sched_setaffinity(0, [min(os.sched_getaffinity(0))])", "the processors"),
    "Locale": ("import locale\nlocale.setlocale(locale.LC_ALL, 'C' if locale.setlocale(locale.LC_ALL) != 'C' else 'C.UTF-8')", "the locale"),
    # Python
    "Seeds": ("import random\nrandom.seed(3)", "Python's global random state"),
    "Draws": ("import random\nrandom.random()", "Python's global random state"),
    "Shallow": ("import sys\nsys.setrecursionlimit(150)", "the recursion limit"),
    "Deep": ("import sys\nsys.setrecursionlimit(10**6)", "the recursion limit"),
    "PathFront": ("import sys\nsys.path.insert(0, '/nowhere')", "the search path of modules (sys.path)"),
    "PathCleared": ("import sys\nfrom graphnet import Layer as _L\nsys.path.clear()", "the search path of modules (sys.path)"),
    "PathReversed": ("import sys\nsys.path.reverse()", "the search path of modules (sys.path)"),
    "PathReplaced": ("import sys\nsys.path = ['/nowhere']", "the search path of modules (sys.path)"),
    "PathNone": ("import sys\nsys.path = None", "the search path of modules (sys.path)"),
    "Finders": ("import sys\ndel sys.meta_path[-1]", "the search path of modules (sys.meta_path)"),
    "NoCollector": ("import gc\ngc.disable()", "the garbage collector (enabled)"),
    "Thresholds": ("import gc\ngc.set_threshold(1, 1, 1)\ngc.set_debug(gc.DEBUG_UNCOLLECTABLE)", "the garbage collector (threshold"),
    "Decimal": ("import decimal\ndecimal.getcontext().prec = 3", "the decimal context"),
    "DecimalDefault": ("import decimal\ndecimal.DefaultContext.rounding = decimal.ROUND_UP", "the decimal context"),
    "Traced": ("import sys\nsys.settrace(lambda *a: None)", "trace functions"),
    "Profiled": ("import sys, threading\nsys.setprofile(lambda *a: None)\nthreading.settrace(lambda *a: None)", "trace functions"),
    "ExceptHook": ("import sys\nsys.excepthook = lambda *a: None", "exception hooks (sys.excepthook)"),
    "ThreadHook": ("import sys, threading\nthreading.excepthook = sys.unraisablehook = print", "exception hooks (sys.unraisablehook, threading.excepthook)"),
    "Arguments": ("import sys\nsys.argv[:] = ['x']", "settings of the interpreter (argv)"),
    "Digits": ("import sys\nsys.set_int_max_str_digits(700)\nsys.setswitchinterval(9)\nsys.tracebacklimit = 0", "settings of the interpreter"),
    "Sockets": ("import socket\nsocket.setdefaulttimeout(0.001)", "the timeout of sockets"),
    "Temporary": ("import tempfile\ntempfile.tempdir = '/nowhere'", "the folder for temporary files"),
    "Spawns": ("import multiprocessing\nmultiprocessing.set_start_method('spawn', force=True)", "the start method of multiprocessing"),
    # logging and warnings
    "BasicConfig": ("import logging\nlogging.basicConfig(level=logging.DEBUG)", "the configuration of logging (logger root)"),
    "Disabled": ("import logging\nlogging.disable(logging.CRITICAL)", "the configuration of logging (disabled)"),
    "OwnLogger": ("import logging\nlogging.getLogger('graphnet').setLevel(60)\nlogging.getLogger('graphnet').propagate = False", "the configuration of logging (logger graphnet)"),
    "DictConfig": ("import logging.config\nlogging.config.dictConfig({'version': 1, 'root': {'level': 'ERROR'}})", "the configuration of logging"),
    "LoggerClass": ("import logging\nlogging.setLoggerClass(type('Mine', (logging.Logger,), {}))\nlogging.lastResort = None", "the configuration of logging"),
    "Filters": ("import warnings\nwarnings.simplefilter('ignore')", "the warning filters"),
    "ResetFilters": ("import warnings\nwarnings.resetwarnings()", "the warning filters"),
    "Errors": ("import warnings\nwarnings.simplefilter('error')", "turns warnings into errors"),
    "ShowWarning": ("import warnings\nwarnings.showwarning = print", "the warning filters"),
    "FormatWarning": ("import warnings\nwarnings.formatwarning = str", "the format of warnings"),
    "CapturesWarnings": ("import logging\nlogging.captureWarnings(True)", "the warning filters"),
    # numbers
    "NumpySeed": ("import numpy\nnumpy.random.seed(1)", "numpy's global random state"),
    "NumpyDraw": ("import numpy\nnumpy.random.rand()", "numpy's global random state"),
    "BitGenerator": ("import numpy\nnumpy.random.set_bit_generator(numpy.random.PCG64(3))", "numpy's global random state"),
    "GraphnetSeed": ("import graphnet\ngraphnet.seed(0)", "graphnet's random state"),
    "GraphnetDraw": ("import graphnet\ngraphnet.generator().normal()", "graphnet's random state"),
    "Seterr": ("import numpy\nnumpy.seterr(all='raise')", "numpy's error handling (divide"),
    "Seterrcall": ("import numpy\nnumpy.seterrcall(print)\nnumpy.setbufsize(160)", "numpy's error handling (call, bufsize)"),
    "Print": ("import numpy\nnumpy.set_printoptions(precision=1, legacy='1.13')", "numpy's print options"),
    "Blas": ("import threadpoolctl\nthreadpoolctl.threadpool_limits(limits=1)", "the number of BLAS threads"),
    # code of numpy and of the standard library
    "Tanh": ("import numpy\nnumpy.tanh = numpy.sin", "replaces numpy.tanh"),
    "Pi": ("import math, numpy\nnumpy.pi = math.pi = 3", "replaces math.pi, numpy.pi"),
    "Exp": ("import math\nmath.exp = lambda x: 0.0", "replaces math.exp"),
    "Dumps": ("import json\njson.dumps = None", "replaces json.dumps"),
    "OpenFile": ("import builtins\nbuiltins.open = None\ndel builtins.bin, builtins.oct", "replaces builtins.bin, builtins.oct, builtins.open"),
    "Deleted": ("import numpy\ndel numpy.matmul", "replaces numpy.matmul"),
    "FakeNumpy": ("import sys\nsys.modules['numpy'] = None", "replaces sys.modules['numpy']"),
    "NoJson": ("import sys\nfor name in [n for n in sys.modules if n.startswith('json')]:\n    del sys.modules[name]", "sys.modules['json"),
    "Linalg": ("import numpy, types\nnumpy.linalg = types.ModuleType('fake')", "replaces numpy.linalg"),
    # streams
    "Stdout": ("import io, sys\nsys.stdout = io.StringIO()", "changes sys.stdout"),
    "Wrapped": ("import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'latin-1')\nprint('x', flush=True)", "changes sys.stdout"),
    "ClosedDescriptor": ("import os\nos.close(2)", "changes file descriptor 2"),
    "Redirected": ("import os\nd = os.open(os.devnull, os.O_WRONLY)\nos.dup2(d, 2)\nos.close(d)", "changes file descriptor 2"),
}  # fmt: skip

#: What refuses the plugin; the reason has the words.
REFUSED = {
    # its own hook is not found, because it has disabled the function that finds hooks; other plugins load
    "Pluggy": ("import pluggy\npluggy.PluginManager.register = lambda *a, **k: None", "graphnet_register_layers"),
    "LazyName": ("import graphnet\ngraphnet.load = lambda *a, **k: None", "graphnet.load"),
    "PlantedNeighbour": ("import sys, types\nsys.modules['graphnet_conv'] = types.ModuleType('graphnet_conv')", "sys.modules['graphnet_conv']"),
    "Apply": ("import graphnet_recurrent\ngraphnet_recurrent.TanH.apply = lambda self, x: (x, x)", "changes classes of other plugins: TanH.apply of graphnet"),
    "Partial": ("import functools, graphnet_recurrent as r\nr.Sigmoid.pull = functools.partial(lambda *a: a[-1])", "Sigmoid.pull"),
    "ClassReplaced": ("import graphnet_recurrent.layers.tanh as a\na.TanH = type('TanH', (), {})", "graphnet_recurrent.layers.tanh.TanH"),
    "CodeReplaced": ("from graphnet_recurrent import TanH\nTanH.apply.__code__ = (lambda self, x: (x, x)).__code__", "the code of TanH.apply"),
    "GraphnetClass": ("import graphnet\ngraphnet.Runner.forward = None", "Runner.forward of graphnet"),
    "GraphnetBase": ("import graphnet\ngraphnet.Layer.__init_subclass__ = classmethod(lambda cls, **k: None)", "Layer.__init_subclass__ of graphnet"),
    "GraphnetFunction": ("import graphnet.layers.functional as f\nf.dense = None", "graphnet.layers.functional.dense"),
    "Model": ("import graphnet\ngraphnet.Model.fit = lambda *a, **k: None", "Model.fit of graphnet"),
    "Exits": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "ExitsAtOnce": ("import os\nos._exit(3)", "it calls os._exit when it loads"),
    "Aborts": ("import os\nos.abort()", "it calls os.abort when it loads"),
    "Executes": ("import os, sys\nos.execv(sys.executable, [sys.executable, '-c', ''])", "it calls os.execv when it loads"),
    "ExecutesByName": ("import os\nos.execlp('true', 'true')", "it calls os.exec"),
    "RaisesInterrupt": ("raise KeyboardInterrupt", "it raises KeyboardInterrupt"),
    "RaisesExit": ("raise GeneratorExit('stop')", "GeneratorExit: stop"),
    "Recurses": ("def f():\n    return f()\n\n\nf()", "RecursionError"),
    "Asks": ("answer = input('continue? ')", "EOFError"),
    "Asserts": ("assert 1 == 2, 'not equal'", "AssertionError: not equal"),
    "Memory": ("raise MemoryError('all of it')", "MemoryError: all of it"),
    "Unprintable": ("class E(Exception):\n    def __str__(self):\n        raise ValueError\n\n\nraise E", "the message of the error cannot be shown"),
}  # fmt: skip

#: What is loaded and reported, with nothing to restore.
REPORTED = {
    "Forks": ("import os\nif os.fork() == 0:\n    pass\nelse:\n    os.wait()", ""),
    "Prints": ("print('hello')", "prints when it loads: 'hello'"),
    "PrintsToError": ("import sys\nsys.stderr.write('hello\\n')", "prints when it loads: 'hello'"),
    "PrintsBytes": ("import sys\nsys.stdout.buffer.write(b'bytes\\n')\nsys.stdout.buffer.flush()", "prints when it loads: 'bytes'"),
    "PrintsOriginal": ("import sys\nsys.__stdout__.write('original')", "prints when it loads: 'original'"),
    "Logs": ("import logging\nlogging.getLogger('zoo').warning('a warning')", "prints when it loads: 'a warning'"),
    "ClosesStdout": ("import sys\nsys.stdout.close()\nprint('after')", "prints when it loads: 'after'"),
    "Slow": ("import time\ntime.sleep(1.05)", "takes 1."),
    "Daemon": ("import threading, time\nthreading.Thread(target=lambda: [print('from a thread') or time.sleep(0.01) for _ in range(30)], daemon=True).start()\ntime.sleep(0.05)", "prints when it loads: 'from a thread'"),
}  # fmt: skip

#: Plugins without a fault; loaded without any note.
HONEST = {
    "Plain": "",
    "Quiet": "import logging\nlog = logging.getLogger(__name__)\nlog.debug('nothing to see')",
    "OwnHandler": "import logging, sys\nlog = logging.getLogger('zoo.own')\nlog.addHandler(logging.StreamHandler(sys.stderr))\nlog.propagate = False",
    "NullHandler": "import logging\nlogging.getLogger(__name__).addHandler(logging.NullHandler())",
    "UsesBuffer": "import sys\nout = sys.stdout.buffer\nassert out.writable()",
    "UsesFileno": "import os, sys\nos.fstat(sys.stdout.fileno())\nos.fstat(sys.stderr.fileno())",
    "Reconfigures": "import sys\nsys.stdout.reconfigure(line_buffering=True)\nsys.stderr.reconfigure(errors='replace')",
    "FaultHandler": "import faulthandler\nfaulthandler.enable()",
    "IsTerminal": "import sys\ncolour = sys.stdout.isatty()\nencoding = sys.stdout.encoding.lower()\nassert encoding",
    "Runs": "import subprocess, sys\nassert subprocess.run([sys.executable, '-c', 'print(1)'], stdout=subprocess.PIPE).stdout == b'1\\n'",
    "Generates": "import numpy as np\nTABLE = np.random.default_rng(0).normal(size=5)",
    "ErrorState": "import numpy as np\nwith np.errstate(all='ignore'):\n    np.log(np.zeros(2))",
    "LocalWarnings": "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('error')\nwarnings.warn('a warning of its own')",
    "ThreadPool": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n    assert list(pool.map(abs, [-1, 2])) == [1, 2]",
    "AtExit": "import atexit\natexit.register(int)",
    "Exotic": "import asyncio, ctypes, decimal, fractions, multiprocessing, socket, tempfile, unittest, uuid, zoneinfo",
    "Modules": "import sys, types\nsys.modules['zoo_alias'] = types.ModuleType('zoo_alias')",
    "UsesOthers": "import graphnet_recurrent\nfrom graphnet_recurrent import LSTM\n\n\nclass Mine(LSTM):\n    pass",
    "Finder": "import sys\n\n\nclass Finder:\n    def find_spec(self, *arguments):\n        return None\n\n\nsys.meta_path.insert(0, Finder())",
}  # fmt: skip
