"""The chapter on trade: products and stock, customers and deals, invoices, and who looks at the web site."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any, Final

from . import sample_words as words
from .objects import Database, Page
from .sample_story import Story, dice, one_in, seeded_id

EVENTS: Final = 800
CUSTOMERS: Final = 84
DEALS: Final = 120
INVOICES: Final = 110

_PRODUCTS: Final = tuple(
    (line, f"{model} {colour}", materials, prices, weights)
    for line, models, materials, prices, weights in words.PRODUCT_LINES
    for number, model in enumerate(models)
    for colour in words.COLOURS[number % 5 : number % 5 + 2]
)


def add_products(story: Story) -> Database:
    """What is made and how much of it lies in Halle."""
    database = story.workspace.add_database(
        "Products & inventory",
        {
            "Product": "title",
            "SKU": "rich_text",
            "Line": {"type": "select", "options": [line[0] for line in words.PRODUCT_LINES]},
            "Colours": {"type": "multi_select", "options": list(words.COLOURS)},
            "Materials": {"type": "multi_select", "options": list(words.MATERIALS)},
            "Price": {"type": "number", "format": "euro"},
            "Weight (g)": "number",
            "In stock": "number",
            "Reorder at": "number",
            "Footprint kg CO₂": "number",
            "Photos": "files",
            "Shop page": "url",
            "On sale": "checkbox",
            "Launched": "date",
            "Stock value": {
                "type": "formula",
                "expression": 'prop("Price") * prop("In stock")',
                "compute": lambda page: _times(page, "Price", "In stock"),
                "result_type": "number",
            },
            "Reorder?": {
                "type": "formula",
                "expression": 'prop("In stock") <= prop("Reorder at")',
                "compute": lambda page: (page["In stock"] or 0) <= (page["Reorder at"] or 0),
            },
            "Counted": "last_edited_time",
        },
        description="One line per model and colour. Stock as of the last count.",
        icon="⛺",
        id=seeded_id("products"),
        created_at=story.founded(726),
    )
    rng = dice("products")
    for number, (line, name, materials, prices, weights) in enumerate(_PRODUCTS):
        slug = name.lower().replace(" ", "-")
        story.add(
            database.data_source,
            f"product/{number}",
            {
                "Product": name,
                "SKU": f"FW-{line[:2].upper()}-{number:04d}",
                "Line": line,
                "Colours": [colour for colour in words.COLOURS if colour in name],
                "Materials": rng.sample(materials, rng.randint(0, len(materials))),
                "Price": rng.randrange(*prices) + 0.95,
                "Weight (g)": rng.randrange(*weights, 2),
                "In stock": rng.choice((0, rng.randrange(900), rng.randrange(90))),
                "Reorder at": rng.choice((None, 20, 50)),
                "Footprint kg CO₂": round(rng.uniform(0.4, 31), 2) if one_in(rng, 2) else None,
                "Photos": [
                    {"name": f"{slug}-{view}.jpg", "hosted": f"products/{slug}-{view}.jpg"}
                    for view in range(number % 4)
                ]
                + [{"name": "press kit", "url": f"https://press.fernweh.example/{slug}.zip"}] * (number % 2),
                "Shop page": f"https://shop.fernweh.example/p/{slug}",
                "On sale": one_in(rng, 5),
                "Launched": story.day(rng, newest=-200).isoformat(),
            },
            rng=rng,
            in_trash=number == 40,
        )
    return database


def add_deals(story: Story) -> Database:
    """Offers to retailers, before they are customers and after."""
    stages = ["Lead", "Contacted", "Offer sent", "Negotiation", "Won", "Lost"]
    database = story.workspace.add_database(
        "Deals",
        {
            "Deal": "title",
            "Stage": {"type": "status", "options": stages},
            "Amount": {"type": "number", "format": "euro"},
            "Probability": {"type": "number", "format": "percent"},
            "Owner": "people",
            "Close date": "date",
            "Next step": "rich_text",
            "Weighted": {
                "type": "formula",
                "expression": 'prop("Amount") * prop("Probability")',
                "compute": lambda page: _times(page, "Amount", "Probability"),
                "result_type": "number",
            },
        },
        icon="🤝",
        id=seeded_id("deals"),
        created_at=story.founded(700),
    )
    rng = dice("deals")
    for number, born in enumerate(story.births(rng, DEALS, oldest=690)):
        season = rng.choice(("spring list", "autumn list", "repeat order", "starter set", "rental fleet"))
        stage = rng.choice(stages)
        story.add(
            database.data_source,
            f"deal/{number}",
            {
                "Deal": f"{_customer_name(number % CUSTOMERS)}, {season}",
                "Stage": stage,
                "Amount": rng.randrange(1500, 92000, 250) if number % 10 else None,
                "Probability": {"Won": 1, "Lost": 0}.get(stage, rng.choice((0.1, 0.25, 0.5, 0.75))),
                "Owner": [story.staff[rng.randrange(23, 29)]],
                "Close date": None
                if number % 7 == 0
                else (born.date() + timedelta(days=rng.randint(20, 200))).isoformat(),
                "Next step": rng.choice(("", "Call on Tuesday", "Send samples", "Wait for the fair")),
            },
            rng=rng,
            born=born,
        )
    return database


def _customer_name(number: int) -> str:
    if number < len(words.CUSTOMER_ODDITIES):
        return words.CUSTOMER_ODDITIES[number]
    head = words.CUSTOMER_HEADS[number % len(words.CUSTOMER_HEADS)]
    return f"{head} {_customer_town(number)} {dice('customer tail', number).choice(words.CUSTOMER_TAILS)}"


def _customer_town(number: int) -> str:
    return dice("customer town", number).choice(tuple(words.PLACES))


def add_customers(story: Story, deals: Database) -> Database:
    """The CRM: retailers, with their deals rolled up."""
    database = story.workspace.add_database(
        "Customers (CRM)",
        {
            "Company": "title",
            "Segment": {"type": "select", "options": ["Specialist", "Chain", "Online", "Rental", "Hut"]},
            "Contact": "rich_text",
            "Email": "email",
            "Phone": "phone_number",
            "Website": "url",
            "Address": "place",
            "Account manager": "people",
            "Customer since": "date",
            "Newsletter": "checkbox",
            "Contract": "files",
            "Deals": {"type": "relation", "target": deals, "two_way": "Customer"},
            "Open amount": {"type": "rollup", "relation": "Deals", "property": "Amount", "function": "sum"},
            "Largest deal": {"type": "rollup", "relation": "Deals", "property": "Amount", "function": "max"},
            "Next close": {"type": "rollup", "relation": "Deals", "property": "Close date", "function": "latest_date"},
            "Stages": {"type": "rollup", "relation": "Deals", "property": "Stage", "function": "show_unique"},
            "Who sells": {"type": "rollup", "relation": "Deals", "property": "Owner", "function": "show_original"},
            "With amount %": {
                "type": "rollup",
                "relation": "Deals",
                "property": "Amount",
                "function": "percent_not_empty",
            },
            "Greeting": {
                "type": "formula",
                "expression": '"Dear " + prop("Contact")',
                "compute": lambda page: f"Dear {page['Contact']}" if page["Contact"] else None,
            },
        },
        description="Retailers, rentals and huts that buy from us, or might.",
        icon="🏬",
        id=seeded_id("customers"),
        created_at=story.founded(725),
    )
    rng = dice("customers")
    for number in range(CUSTOMERS):
        story.add(
            database.data_source,
            f"customer/{number}",
            _customer(story, rng, number),
            rng=rng,
            archived=number % 29 == 28,
        )
    return database


def _customer(story: Story, rng: Random, number: int) -> dict[str, Any]:
    contact = f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}" if number % 6 else ""
    town = _customer_town(number)
    latitude, longitude, country = words.PLACES[town]
    return {
        "Company": _customer_name(number),
        "Segment": rng.choice(("Specialist", "Specialist", "Chain", "Online", "Rental", "Hut", None)),
        "Contact": contact,
        "Email": f"buying+{number}@customer{number}.example" if number % 8 else None,
        "Phone": f"+{rng.randint(31, 49)} {rng.randrange(10**8, 10**9)}" if number % 5 else None,
        "Website": f"https://customer{number}.example/" if number % 4 else None,
        "Address": None if number % 9 == 0 else {"lat": latitude, "lon": longitude, "name": town, "address": country},
        "Account manager": [story.staff[rng.randrange(23, 29)]],
        "Customer since": story.day(rng, oldest=3000, newest=10).isoformat(),
        "Newsletter": one_in(rng, 2),
        "Contract": [{"name": "contract.pdf", "hosted": f"contracts/{number}.pdf"}] if number % 3 == 0 else [],
        "Deals": [seeded_id(f"deal/{deal}") for deal in range(number, DEALS, CUSTOMERS)],
    }


def add_invoices(story: Story, customers: Database) -> Database:
    """Invoices, with what their customers are called and where they live rolled up."""
    database = story.workspace.add_database(
        "2025/26 invoices",
        {
            "Subject": "title",
            "Number": {"type": "unique_id", "prefix": "INV"},
            "Customer": {"type": "relation", "target": customers, "two_way": "Invoices"},
            "Net": {"type": "number", "format": "euro"},
            "VAT": {"type": "number", "format": "percent"},
            "Gross": {
                "type": "formula",
                "expression": 'round(prop("Net") * (1 + prop("VAT")) * 100) / 100',
                "compute": lambda page: round((page["Net"] or 0) * (1 + (page["VAT"] or 0)), 2),
            },
            "Issued": "date",
            "Payable until": {
                "type": "formula",
                "expression": 'dateAdd(prop("Issued"), 30, "days")',
                "compute": _payable_until,
                "result_type": "date",
            },
            "Paid": "date",
            "Reminders": "number",
            "PDF": "files",
            "Segment": {"type": "rollup", "relation": "Customer", "property": "Segment", "function": "show_original"},
            "E-mail to": {"type": "rollup", "relation": "Customer", "property": "Email", "function": "show_original"},
        },
        icon="🧾",
        id=seeded_id("invoices"),
        created_at=story.founded(545),
    )
    rng = dice("invoices")
    for number, born in enumerate(story.births(rng, INVOICES, oldest=540)):
        issued = born.date()
        paid = issued + timedelta(days=rng.randint(3, 70))
        story.add(
            database.data_source,
            f"invoice/{number}",
            {
                "Subject": rng.choice(("Spring list", "Autumn list", "Spare parts", "Repairs", "Samples")),
                "Customer": [seeded_id(f"customer/{rng.randrange(CUSTOMERS)}")],
                "Net": round(rng.uniform(40, 24000), 2) * (-1 if number % 27 == 26 else 1),
                "VAT": rng.choice((0.19, 0.19, 0.19, 0.0)),
                "Issued": issued.isoformat(),
                "Paid": paid.isoformat() if paid < story.now.date() and number % 6 else None,
                "Reminders": rng.choice((None, 0, 0, 1, 2)),
                "PDF": [{"name": f"INV-{number + 1}.pdf", "hosted": f"invoices/INV-{number + 1}.pdf"}],
            },
            rng=rng,
            born=born,
        )
    return database


def _times(page: Page, one: str, other: str) -> float | None:
    left, right = page[one], page[other]
    return None if left is None or right is None else round(left * right, 2)


def _payable_until(page: Page) -> date | None:
    issued = page["Issued"]
    return None if issued is None else date.fromisoformat(issued[:10]) + timedelta(days=30)


def add_events(story: Story, products: Database) -> Database:
    """Eight hundred visits of the web site: enough to need several answers per read."""
    database = story.workspace.add_database(
        "Website events",
        {
            "Event": "title",
            "No.": {"type": "unique_id", "prefix": None},
            "Path": "url",
            "Channel": {"type": "select", "options": list(words.EVENT_CHANNELS)},
            "Device": {"type": "select", "options": list(words.EVENT_DEVICES)},
            "Seconds": "number",
            "Basket": {"type": "number", "format": "euro"},
            "Bot": "checkbox",
            "Seen at": "date",
            "Product": {"type": "relation", "target": products, "two_way": None},
            "Written by": "created_by",
        },
        description="Written by the shop's own integration.",
        icon="📈",
        id=seeded_id("events"),
        created_at=story.founded(730),
    )
    rng = dice("events")
    for number, moment in enumerate(story.births(rng, EVENTS)):
        name = rng.choice(words.EVENTS)
        shown = rng.randrange(len(_PRODUCTS))
        story.add(
            database.data_source,
            f"event/{number}",
            {
                "Event": name,
                "Path": f"https://shop.fernweh.example{rng.choice(words.EVENT_PATHS)}",
                "Channel": rng.choice(words.EVENT_CHANNELS),
                "Device": rng.choice(words.EVENT_DEVICES),
                "Seconds": round(rng.expovariate(1 / 40), 1),
                "Basket": round(rng.uniform(9, 900), 2) if name in ("checkout", "purchase") else None,
                "Bot": one_in(rng, 25),
                "Seen at": moment.isoformat(timespec="milliseconds"),
                "Product": [seeded_id(f"product/{shown}")] if number % 3 == 0 and shown != 40 else [],
            },
            rng=rng,
            born=moment,
            edited=moment,
            created_by=story.bots[0],
        )
    return database
