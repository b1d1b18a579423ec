"""A page as its user sees it, and what a page must never do."""

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Seen:
    """A page with what its user sees of it, and whatever it complained about or asked of others."""

    def __init__(self, page, url):
        self.page, self.troubles, self.asked = page, [], []
        page.on("console", lambda message: self.troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(url)

    def text(self, name):
        return self.page.inner_text(f"#{name}")

    def word(self):
        return " ".join(self.text("word").split())

    def wait_for_word(self, word, timeout_s=15):
        wanted = "(word) => document.getElementById('word').innerText.split(/\\s+/).join(' ').trim() === word"
        self.page.wait_for_function(wanted, arg=word, timeout=timeout_s * 1000)

    def wait_until(self, expression):
        self.page.wait_for_function(expression, timeout=15_000)


# What does not fit into its place or the screen.
OVERFLOW = """() => [...document.querySelectorAll(
    "#word, #detail, #counts *, header *, #alarms li, button, button *, nav *, #caption, h1, h2, label, dt, .message")]
    .filter((e) => {
        const { right, bottom, width } = e.getBoundingClientRect();
        // Headings for those who listen are one pixel wide; the words in a file input are the browser's own.
        if (width <= 1 || e.querySelector("input[type=file]")) return false;
        const panel = document.body.classList.contains("panel") && !e.closest("#alarms, dialog");
        const cut = e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline";
        return (right > innerWidth + 1 && !e.closest(".scroll")) || (panel && bottom > innerHeight + 1) || cut;
    }).map((e) => e.id || e.textContent)"""
