"""Airflow's UI in a real browser, as a person opens it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.integration.airflow_services import Airflow

PROGRAM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
needs_browser = pytest.mark.skipif(
    PROGRAM is None, reason="needs Chromium or Chrome, which pip does not install"
)


@contextmanager
def signed_in(services: Airflow, path: str) -> Iterator[Page]:
    """A page of the UI, with admin signed in."""
    with sync_playwright() as playwright:
        # As root, which tests may be run as, Chromium refuses its sandbox.
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.set_default_timeout(60_000)
        page.goto(f"{services.address}{path}")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", services.password)
        page.click("button[type=submit]")
        page.wait_for_url(f"**{path}*")
        try:
            yield page
        finally:
            browser.close()
