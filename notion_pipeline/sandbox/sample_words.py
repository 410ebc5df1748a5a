"""The words that the sample company is made of: who works there, what it sells, to whom, and what it talks about.

Plain tuples, no logic: change a line and the sample changes with it. Every person and firm is invented, every
address ends in a reserved domain.
"""

from __future__ import annotations

from typing import Final

COMPANY: Final = "Fernweh Outdoor GmbH"

#: Name, department, role, level, home town. The first is the one who reports to nobody.
STAFF: Final = (
    ("Annika Brandt", "Management", "Managing director", "Director", "Leipzig"),
    ("Tobias Falk", "Management", "Chief operating officer", "Director", "Leipzig"),
    ("Mei-Ling Zhao", "Product", "Head of product", "Lead", "Leipzig"),
    ("Øyvind Solberg", "Product", "Tent designer", "Senior", "Tromsø"),
    ("Ludovica Ferri", "Product", "Pack designer", "Senior", "Bolzano"),
    ("Jonas Kettler", "Product", "Materials engineer", "Regular", "Leipzig"),
    ("Priya Raghunathan", "Product", "Product manager", "Senior", "Leipzig"),
    ("Émile Charpentier", "Product", "Footwear designer", "Regular", "Annecy"),
    ("Sade Okonkwo", "Engineering", "Head of engineering", "Lead", "Berlin"),
    ("Matthias Brückner", "Engineering", "Backend developer", "Senior", "Leipzig"),
    ("Yuki Tanabe", "Engineering", "Frontend developer", "Senior", "Leipzig"),
    ("Rafał Wiśniewski", "Engineering", "Data engineer", "Senior", "Wrocław"),
    ("Noor Haddad", "Engineering", "Site reliability engineer", "Senior", "Berlin"),
    ("Greta Lindqvist", "Engineering", "Mobile developer", "Regular", "Malmö"),
    ("Tomás Figueroa", "Engineering", "Backend developer", "Regular", "Valencia"),
    ("Hanna Weiß", "Engineering", "QA engineer", "Regular", "Leipzig"),
    ("Bilal Sarıkaya", "Engineering", "Frontend developer", "Junior", "Leipzig"),
    ("Clara Neumann", "Marketing", "Head of marketing", "Lead", "Leipzig"),
    ("Dafydd Rhys", "Marketing", "Copywriter", "Senior", "Cardiff"),
    ("Ingrid Moe", "Marketing", "Photographer", "Regular", "Bergen"),
    ("Lukas Steinmetz", "Marketing", "Performance marketing", "Regular", "Leipzig"),
    ("Zofia Kaczmarek", "Marketing", "Community manager", "Regular", "Kraków"),
    ("Amélie Rousseau", "Marketing", "Brand designer", "Senior", "Lyon"),
    ("Stefan Obermayr", "Sales", "Head of sales", "Lead", "München"),
    ("Nadia Benali", "Sales", "Key account manager", "Senior", "Strasbourg"),
    ("Pieter van Houten", "Sales", "Key account manager", "Senior", "Utrecht"),
    ("Ronja Ekström", "Sales", "Sales representative", "Regular", "Göteborg"),
    ("Giulia Marchetti", "Sales", "Sales representative", "Regular", "Torino"),
    ("Karim Aziz", "Sales", "Partner manager, Gulf", "Senior", "Dubai"),
    ("Heike Vogt", "Operations", "Head of operations", "Lead", "Leipzig"),
    ("Dragan Petrović", "Operations", "Warehouse manager", "Senior", "Halle"),
    ("Mirela Ionescu", "Operations", "Purchasing", "Senior", "Leipzig"),
    ("Uwe Schlüter", "Operations", "Logistics", "Regular", "Halle"),
    ("Fatoumata Diallo", "Operations", "Repair workshop", "Regular", "Leipzig"),
    ("Wei Chen", "Operations", "Quality inspection", "Regular", "Ningbo"),
    ("Friederike Ahrens", "Support", "Head of customer care", "Lead", "Leipzig"),
    ("Oscar Bengtsson", "Support", "Customer care", "Regular", "Leipzig"),
    ("Leonie Hartwig", "Support", "Customer care", "Regular", "Leipzig"),
    ("Marek Novotný", "Support", "Customer care", "Junior", "Brno"),
    ("Tamar Levi", "Support", "Customer care", "Regular", "Haifa"),
    ("Petra Scholl", "Finance", "Head of finance", "Lead", "Leipzig"),
    ("Henrik Dahl", "Finance", "Controller", "Senior", "Leipzig"),
    ("Beatrix Nagy", "Finance", "Accountant", "Regular", "Leipzig"),
    ("Julia Sommer", "People", "Head of people", "Lead", "Leipzig"),
    ("Antoine Mbeki", "People", "Recruiter", "Regular", "Leipzig"),
    ("Sören Lund", "People", "Office manager", "Regular", "Leipzig"),
)

#: Town, latitude, longitude, country.
PLACES: Final = {
    "Leipzig": (51.3397, 12.3731, "Germany"),
    "Halle": (51.4825, 11.9706, "Germany"),
    "Berlin": (52.52, 13.405, "Germany"),
    "München": (48.1374, 11.5755, "Germany"),
    "Hamburg": (53.5503, 9.992, "Germany"),
    "Zürich": (47.3744, 8.541, "Switzerland"),
    "Innsbruck": (47.2682, 11.3923, "Austria"),
    "Wien": (48.2085, 16.3721, "Austria"),
    "Bolzano": (46.4927, 11.3336, "Italy"),
    "Torino": (45.0705, 7.6868, "Italy"),
    "Annecy": (45.8992, 6.1294, "France"),
    "Lyon": (45.7578, 4.832, "France"),
    "Strasbourg": (48.5734, 7.7521, "France"),
    "Utrecht": (52.0908, 5.1214, "Netherlands"),
    "Tromsø": (69.6489, 18.9551, "Norway"),
    "Bergen": (60.3943, 5.3259, "Norway"),
    "Göteborg": (57.7072, 11.967, "Sweden"),
    "Malmö": (55.6053, 13.0002, "Sweden"),
    "Kraków": (50.0619, 19.9369, "Poland"),
    "Wrocław": (51.1089, 17.0326, "Poland"),
    "Brno": (49.1922, 16.6113, "Czechia"),
    "Valencia": (39.4697, -0.3774, "Spain"),
    "Cardiff": (51.4816, -3.1791, "United Kingdom"),
    "Reykjavík": (64.1466, -21.9426, "Iceland"),
    "Haifa": (32.794, 34.9896, "Israel"),
    "Dubai": (25.2048, 55.2708, "United Arab Emirates"),
    "Ningbo": (29.8683, 121.544, "China"),
    "Sapporo": (43.0618, 141.3545, "Japan"),
}

LANGUAGES: Final = ("Deutsch", "English", "Français", "Italiano", "Polski", "العربية", "עברית", "中文", "Norsk")

#: Title, cycle, share reached, of which objective (by position) it is a part.
OBJECTIVES: Final = (
    ("🎯 Be the first choice for three-season trips in Europe", "2025 H2", 0.74, None),
    ("🌱 Halve the footprint of a backpack by 2027", "2026 H1", 0.41, None),
    ("🛠️ Repair before replace", "2026 H1", 0.63, None),
    ("💶 Grow profitably on our own channels", "2025 H2", 0.88, None),
    ("Lift webshop conversion from 1.9 % to 2.6 %", "2025 H2", 0.92, 3),
    ("Reach 55 % of revenue on own channels", "2026 H1", 0.7, 3),
    ("Win 20 specialist retailers in the Nordics", "2025 H2", 0.55, 0),
    ("Have the Tarn tent family in four test magazines", "2025 H2", 1.0, 0),
    ("Open the Gulf region with one partner", "2026 H1", 0.35, 0),
    ("Bring returns below 8 %", "2026 H1", 0.48, 3),
    ("Move 70 % of fabrics to recycled yarn", "2026 H1", 0.44, 1),
    ("Publish the footprint of every product", "2026 H1", 0.3, 1),
    ("Ship 95 % of parcels without plastic", "2025 H2", 1.0, 1),
    ("Two thirds of repairs back within ten days", "2026 H1", 0.81, 2),
    ("Sell 4,000 refurbished items", "2026 H1", 0.52, 2),
    ("Spare part list for every pack since 2015", "2025 H2", 0.6, 2),
    ("Answer nine tickets of ten within four hours", "2026 H1", 0.77, None),
    ("Customer care rated 4.6 or better", "2026 H1", 0.9, 16),
    ("Cut repeat questions about deliveries by half", "2026 H1", 0.25, 16),
    ("Nobody on call more than one week in six", "2025 H2", 1.0, None),
    ("Hire five people without an agency", "2026 H1", 0.6, None),
    ("Ship twice a week, without drama", "2026 H1", 0.83, None),
    ("Every incident has a written review", "2026 H1", 0.95, 21),
    ("Stock figures right to 99.5 %", "2026 H1", 0.71, None),
    ("Count the whole warehouse once a quarter", "2026 H1", 0.75, 23),
    ("Learn what hut keepers need", "2026 H2", 0.0, None),
)

#: Title, kind, budget in euro.
PROJECTS: Final = (
    ("Webshop relaunch", "Digital", 184000),
    ("Tarn 3P tent", "Product", 96000),
    ("Kestrel pack family, third generation", "Product", 132000),
    ("Recycled yarn, supplier switch", "Sustainability", 58000),
    ("Repair workshop 2.0", "Service", 41500),
    ("Second-hand corner", "Digital", 27000),
    ("Halle warehouse scanner roll-out", "Operations", 62000),
    ("Gulf market entry – متجر دبي", "Sales", 75000),
    ("ISPO trade fair 2026", "Marketing", 88000),
    ("Summer film: Hardangervidda 🎬", "Marketing", 46000),
    ("Loyalty programme “Gipfelbuch”", "Marketing", 33500),
    ("Data platform", "Digital", 54000),
    ("Size finder for boots", "Digital", 19800),
    ("Plastic-free parcels", "Sustainability", 12400),
    ("Footprint labels", "Sustainability", 23600),
    ("Moraine boot, winter version", "Product", 71000),
    ("Glimmer headlamp recall", "Service", 38700),
    ("Retailer portal", "Digital", 67000),
    ("Nordic retailers", "Sales", 29000),
    ("Quarterly stock count", "Operations", 4800),
    ("New office kitchen 🍲", "Operations", 9900),
    ("On-call rota", "Digital", 0),
    ("Apprenticeship 2026", "People", 21000),
    ("Works council election", "People", 1200),
    ("ERP replacement, first look", "Operations", 15000),
    ("新款帐篷面料测试 (fabric tests in Ningbo)", "Product", 18250),
    ("Photo archive clean-up", "Marketing", 2500),
    ("Hut keepers' survey", "Product", 6400),
    ("Trail volunteer days 🥾", "People", 5200),
    ("Christmas calendar", "Marketing", None),
)

TASK_VERBS: Final = (
    "Draft", "Review", "Agree on", "Order", "Test", "Measure", "Photograph", "Translate", "Fix", "Update", "Plan",
    "Compare offers for", "Write up", "Sign off", "Clean up", "Migrate", "Document", "Present", "Cost out", "Prototype",
)  # fmt: skip
TASK_OBJECTS: Final = (
    "the product page", "the zip supplier", "the size chart", "the packing list", "the return label", "the seam tape",
    "the checkout", "the French texts", "the pole set", "the buckle mould", "the price list", "the landing page",
    "the delivery times", "the fabric samples", "the hang tag", "the newsletter", "the test protocol", "the care label",
    "the stock export", "the trade fair stand", "the spare part list", "the search results", "the payment provider",
    "the warehouse labels", "the retailer contract", "the launch date", "the photo shoot", "the repair price list",
    "the cookie banner", "the customs papers", "the lamination test", "the shoulder straps", "the dealer training",
)  # fmt: skip
TASK_TAGS: Final = (
    "design", "legal", "copy", "urgent", "supplier", "shop", "print", "waiting for reply", "nice to have", "🔥 hot",
    "Qualität, Prüfung",
)  # fmt: skip
TASK_NOTES: Final = (
    "Ask Mirela for the last three offers before we call them.",
    "The old version is in the shared folder; keep the numbering.",
    "Blocked until the samples arrive, probably week 14.",
    "Two colours only. Really.",
    "See the meeting notes: we wanted a lighter zip and a louder colour.",
    "Careful: the retailer contract says eight weeks, not six.",
    "Works on my machine; the scanner in Halle still shows the old label.",
    'Customers call it "the green one". So should the search.',
)

MATERIALS: Final = (
    "recycled PA 20D",
    "ripstop 40D",
    "merino",
    "aluminium 7001",
    "titanium",
    "goose down 800",
    "leather",
)
#: Line, models, what they are made of, price from and to (euro), weight from and to (gram).
PRODUCT_LINES: Final = (
    (
        "Tent",
        ("Tarn 1P", "Tarn 2P", "Tarn 3P", "Firn 2P", "Firn 4P", "Biwak Solo", "Lagune Tarp"),
        ("recycled PA 20D", "ripstop 40D", "aluminium 7001"),
        (189, 749),
        (690, 3400),
    ),
    (
        "Backpack",
        ("Kestrel 28", "Kestrel 45", "Kestrel 65", "Dohle 18", "Dohle 24", "Lastenesel 90"),
        ("recycled PA 20D", "ripstop 40D", "leather"),
        (79, 299),
        (540, 2600),
    ),
    (
        "Sleeping bag",
        ("Murmel 0", "Murmel −7", "Murmel −15", "Siebenschläfer", "Hütte Silk"),
        ("goose down 800", "recycled PA 20D", "merino"),
        (49, 429),
        (140, 1600),
    ),
    (
        "Boots",
        ("Moraine Low", "Moraine Mid", "Moraine GTX", "Geröll Trail", "Firnwand"),
        ("leather", "ripstop 40D"),
        (129, 319),
        (420, 980),
    ),
    (
        "Jacket",
        ("Wolkenloch", "Nordföhn", "Graupel 3L", "Abendkühle", "Schauer Light"),
        ("merino", "recycled PA 20D", "goose down 800"),
        (99, 449),
        (160, 720),
    ),
    (
        "Cooking",
        ("Kessel 0.9", "Kessel 1.4", "Glut Stove", "Löffelgabel"),
        ("titanium", "aluminium 7001"),
        (12, 49),
        (16, 310),
    ),
    ("Light", ("Glimmer 200", "Glimmer 450", "Laterne Mini"), ("aluminium 7001",), (24, 79), (38, 120)),
)
COLOURS: Final = ("moss", "slate", "rust", "glacier", "midnight", "sand", "berry", "signal orange")

CUSTOMER_HEADS: Final = (
    "Bergfreund", "Nordlicht", "Sentier", "Alpina", "Rucksackhaus", "Kompass", "Fjell", "Gipfelstürmer", "Le Refuge",
    "Vetta", "Waldläufer", "Trekkingcorner", "Polaris", "Wanderlust", "Basecamp", "Cairn", "Lichtung", "Szlak",
    "Sakura Outdoor", "Wadi Trails",
)  # fmt: skip
CUSTOMER_TAILS: Final = ("GmbH", "AG", "Sport", "& Söhne", "AS", "SARL", "B.V.", "S.r.l.", "KG", "Co-op", "Ltd")
CUSTOMER_ODDITIES: Final = (
    "شركة واحة للرحلات",
    "אאוטדור חיפה בע״מ",
    "北京山行户外用品有限公司",
    "O'Malley & Daughters",
    'Huber "Der Bergladen"',
    "Müller; DROP TABLE customers;--",
    "50% Outlet Łódź",
    "Čundr.cz",
)
FIRST_NAMES: Final = (
    "Anna", "Ben", "Chiara", "Daniel", "Elif", "Finn", "Guðrún", "Hugo", "Ida", "Jakub", "Karla", "Léa", "Mats",
    "Nele", "Oskar", "Paula", "Quentin", "Rosa", "Samir", "Thea", "Ulrik", "Vera", "Wanda", "Xavier", "Ylva", "Zoë",
)  # fmt: skip
LAST_NAMES: Final = (
    "Albrecht", "Bianchi", "Claes", "Dvořák", "Eriksen", "Fournier", "Grieg", "Huber", "Ivanova", "Jansen", "Kowalski",
    "Lehmann", "Moreau", "Nilsson", "O'Neill", "Pfeiffer", "Quast", "Rossi", "Szabó", "Thalberg", "Ünal", "Vasquez",
)  # fmt: skip
CANDIDATE_ODDITIES: Final = (
    "ליאור כהן",
    "فاطمة الزهراء بنعلي",
    "王小明",
    "Þórdís Jónsdóttir",
    "José-María Núñez del Río",
)

MEETINGS: Final = (
    "Weekly product round", "Retro", "Webshop stand-up", "Supplier call", "Marketing planning", "Warehouse walk",
    "Customer care review", "Board preparation", "Design critique", "Incident review", "Pricing round",
    "Trade fair debrief", "Sustainability circle", "Data office hour",
)  # fmt: skip
MEETING_LINES: Final = (
    "Samples of the new fabric held 4,200 mm; two seams leaked.",
    "Returns are down again, mostly thanks to the size finder.",
    "We keep the price until the autumn list.",
    "The film needs one more day of good weather.",
    "Nobody could say who owns the old newsletter. Found: Zofia does.",
    "Halle wants labels that survive rain. Fair.",
    "Three candidates for the repair workshop, all strong.",
    "Decision: no discount in November, donation instead.",
    "Next time shorter, and with cake.",
)
MEETING_ODDITIES: Final = (
    "🏔️ Kick-off: Hardangervidda",
    "اجتماع شركاء دبي",
    "פגישת שירות לקוחות",
    "宁波供应商会议",
    "\u202ereversed\u202c on purpose",
    "👩‍👩‍👧‍👦 All hands 🇩🇪🇳🇴🇦🇪",
)

TICKETS: Final = (
    "Where is my parcel?", "Zip broke on the second day", "Wrong size sent", "Pole missing from the Tarn 2P",
    "Invoice with VAT number, please", "Headlamp flickers", "Can I wash the Murmel?", "Refund not arrived",
    "Voucher does not work", "Boots squeak", "Seam leaks at the window", "Change of address",
    "Buckle for a pack of 2016",
    "Question about PFAS", "Order twice by mistake", "القفل لا يعمل", "האוהל דולף", "包裹丢失", "🙏 Thank you!",
)  # fmt: skip

TICKET_MESSAGES: Final = (
    "Hello, I ordered two weeks ago and the tracking page has said “tomorrow” ever since.",
    "Hi! It worked well in the garden, and then came the Sarek. See the photos.",
    "Could you please send me the spare part? I am happy to sew it on myself.",
    "Good evening, the amount on the invoice is not the one in the shop.",
    "Thanks for the quick answer. It fits now, and the marmots envy me.",
    "Guten Tag, ich hätte gern eine Rechnung auf die Firma. Danke!",
    "مرحبا، وصل الطرد مفتوحا. ماذا أفعل؟",
    "שלום, האוהל דולף ליד החלון. מצורפת תמונה.",
    "",
)

RELEASES_SHOP: Final = (
    ("4.0.0", "The new shop", "Everything is new, the basket is where it was."),
    ("4.0.1", "Basket keeps its items", "A basket survives the log-in now."),
    ("4.1.0", "Size finder for boots", "Two questions, one size."),
    ("4.1.1", "Faster photos", "Pictures are a third of their size."),
    ("4.2.0", "Click and collect", "Pick up in Leipzig and Halle."),
    ("4.3.0", "Second-hand corner", "Refurbished items with a grade and a story."),
    ("4.3.1", "Fix: VAT for Switzerland", "Prices to Switzerland show without VAT."),
    ("4.4.0", "العربية", "The shop reads from right to left where you do."),
    ("4.5.0", "Footprint labels", "CO₂ for 41 products."),
    ("4.5.1", "Fix: search finds umlauts", "Schlafsäcke are found as schlafsaecke, too."),
    ("4.6.0", "Gipfelbuch", "Collect summits, not points."),
    ("5.0.0-rc.1", "", "Not announced yet."),
)
RELEASES_SCANNER: Final = (
    ("0.9", "Pilot in aisle C", "Twelve scanners, four people, one brave week."),
    ("1.0", "All aisles", "Labels, counts and moves."),
    ("1.1", "Works without Wi-Fi", "Scans wait until the network is back."),
    ("1.1.1", "Fix: gloves", "Bigger buttons."),
    ("1.2", "Stock count mode", "Count a shelf twice and see the difference."),
    ("1.3", "Lot numbers", "Down and leather carry their lot."),
    ("2.0", "Shelf pictures", "See what you should find."),
)

EVENTS: Final = (
    "page_view",
    "page_view",
    "page_view",
    "search",
    "add_to_basket",
    "add_to_basket",
    "checkout",
    "purchase",
)
EVENT_PATHS: Final = (
    "/",
    "/tents",
    "/packs",
    "/boots",
    "/second-hand",
    "/repair",
    "/journal/hardangervidda",
    "/de/größen",
)
EVENT_CHANNELS: Final = ("direct", "newsletter", "search", "social", "partner")
EVENT_DEVICES: Final = ("phone", "laptop", "tablet")
