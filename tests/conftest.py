import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root (skipped otherwise)")
    config.addinivalue_line("markers", "network: needs more than loopback")
