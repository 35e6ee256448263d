"""Made-up names: no list of real people or firms stands behind them."""

FAMILY = (
    "Abrelund", "Åsvelt", "Belcarro", "Brønholt", "Castavel", "Corvenni", "Dalmarr", "Dąbrelski",
    "Eldrane", "Érvault", "Fenwold", "Garrity-Lowe", "Grünwalt", "Halvescu", "Ivarstrom",
    "Jaskovar", "Kestrell", "Kılınar", "Lindqvarn", "Łozanek", "Maravell", "Müldner", "Norrevik",
    "Núñarez", "O'Darrow", "Okonjari", "Petrovan", "Qasimeh", "Rastelli-Moe", "Řehorny",
    "Sandovair", "Şanlıoz", "Tervonell", "Ulmaire", "Vasquerra", "Wexcombe", "Xaviar", "Ylönmaa",
    "Zarkovny", "Žitnar", "沐岚", "欧阳泽",
)  # fmt: skip
GIVEN = (
    "Adelin", "Anouk", "Bastien", "Brisa", "Calder", "Čedna", "Danilo", "Delphine", "Elowen",
    "Émile", "Fenna", "Florin", "Gaël", "Greta", "Hollis", "Ilse", "Inés", "Jorah", "Jørn",
    "Kaia", "Kenzo", "Liora", "Lucán", "Marit", "Mirek", "Nadja", "Noé", "Orla", "Oskar", "Petra",
    "Quill", "Renske", "Rúna", "Sela", "Søren", "Tavi", "Tímea", "Ugo", "Vesna", "Wilmar", "Yara",
    "Zoë", "若溪", "景行",
)  # fmt: skip
FIRM = (
    "Amberline", "Blaufeld", "Brightmere", "Cinderford", "Côte Vive", "Dunhaven", "Estrela Nova",
    "Fjordlys", "Granitway", "Harrowgate", "Isarblick", "Juniper Cross", "Kupferhöhe", "Larkspur",
    "Mistral", "Nordhavn", "Oakreach", "Piedra Azul", "Quarrystone", "Redfern", "Silverbrook",
    "Tallgrass", "Überland", "Valmont", "Westerly", "Yarrow", "Zefir", "远山",
)  # fmt: skip
TRADE = (
    "Foods", "Textiles", "Logistics", "Machinery", "Construction", "Retail", "Hospitality",
    "Software", "Health", "Energy",
)  # fmt: skip
LEGAL_FORM = ("Ltd", "GmbH", "S.A.", "AB", "& Søn", "Sp. z o.o.", "Inc.", "股份")
