"""
What may be shown of a server's words, and how they can be stored.

A server may quote what it was sent in more ways than anybody can list: without accents, escaped, cut, in hexadecimal.
So nothing of its text is shown but words that are on a list: those of Octopush's documented return codes, fields and
statuses, and what HTTP and the APIs that are built on it usually say, in English and French. Of these, none that is in
what was sent. No number is on the list, and no word that is a usual name of a person.

Sources: https://octopush.com/en/sms-gateway-api-documentation/return-codes/, the page that :mod:`.api` names, and the
reason phrases in HTTP's registry of status codes.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable

MASK = "***"

#: What is shown of a message has at most so many characters.
SHOWN_MAX_LENGTH = 200

#: What is stored of one, too: a cell of a spreadsheet takes no more.
STORED_MAX_LENGTH = 32_000

# Only the beginning is looked at for what may be shown, so that a long message costs no more than a short one.
_LOOKED_AT = 4_000

# A word that is a part of a longer one that was sent tells something of it from so many letters on: "is" tells nothing
# of "Denis".
_TELLING = 4

_ENGLISH = """
    a about accept accepted access account action active add added address allowed already also an and another any
    api approval are array as at attempt attempts authentication authorization authorized available bad balance base
    be because been being between blacklist blacklisted blocked body boolean busy but by call campaign can cannot
    case change changed character characters charset check chosen code conflict connection contact contacts contain
    contains content correct correctly could countries country create created creation credentials credit credits
    currently daily data database date deactivated delete deleted delivered denied details did different digits
    disabled do does duplicate duplicated duplicates each either email empty enabled encoding enough entered entity
    entry error errors exceed exceeded exceeds exist existing exists expected expired failed failure field fields
    file filled first following for forbidden format formatted found from gateway given gone group groups has have
    header headers host hour identifier if ignored in inactive incomplete incorrect incorrectly information input
    insufficient integer interface internal international into invalid is it item items its json key landline large
    last later least length letter letters limit limited limits list lists locked login long low maintenance
    malformed mandatory many match maximum message messages method minimum minute minutes missing mobile more must
    name names need needed network new no not null number numbers numeric object octopush of ok on only operation
    operator opted option optional or other out over overwrite parameter parameters parse password payload pending
    per permission permissions phone please post prefix premium present previous problem process processed
    processing property provided punctuation quality query queue queued quota range rate reached received recipient
    recipients refused registered rejected remove removed request requested requests required resource respect
    response restricted result retry rights route same second seconds section send sender sending sent server
    service services several short should size skipped sms some something space spaces special specified standard
    status stop stopped string submitted subscribed subscription success successful successfully such support
    supported suspended syntax system tag tags temporarily temporary test text than that the their there they this
    time timeout times to token too try type unable unauthorized unavailable unchanged undefined unexpected unique
    unknown unprocessable unreachable unrecognized unsubscribed unsupported until up update updated url use used
    user username using valid validate validated validation value values verify version via violation wait waiting
    was way went were when whether which while with without wrong yet you your
    aren't can't couldn't didn't doesn't don't hasn't haven't isn't it's wasn't weren't won't
"""

_FRENCH = """
    accepté acceptée acceptés accès actif active adresse ajouter ajouté ajoutée ajoutés appel attendu attendue
    attente au aucun aucune authentification autorisation autorisé autorisée aux avec avez à blacklisté blacklistée
    blacklistés bloqué bloquée campagne caractère caractères ce ces cette chaîne champ champs chiffres clé compte
    connexion contenir contenu contient correcte correspond crédit crédits créer créé créée dans de demande demandes
    des déjà dépasse dépassé dépassée désactivé désinscrit doit doivent donnée données doublon doublons du durée
    effacé elle en encodage enregistré entier entrée envoi envoyé envoyée envoyés erreur erreurs essayer est et
    existant existante existe expiré expirée échec échoué été être faux fichier fourni fournie fournis groupe heure
    heures identifiant identifiants ignoré ignorée ignorés il impossible inactif inattendu inattendue incomplet
    inconnu inconnue inconnus incorrecte incorrects indicatif indiqué indisponible insuffisant insuffisants interdit
    interdite internationale interne invalide invalides jeton la le les ligne limite liste listes longueur manquant
    manquante manquants mauvais mauvaise méthode mis mise modifié mot ne nom nombre noms non nouveau nouvelle nul
    numéro numéros objet obligatoire obligatoires opérateur ordre ou où par paramètre paramètres pas passe pays peut
    plus pour préfixe prénom problème que qui raison refusé refusée refusés rejeté rejetée rejetés rencontré requête
    requêtes requis requise ressource réessayer réessayez réponse résultat sa sans serveur si solde sont statut
    succès supprimé supprimée supprimés sur survenue syntaxe système tableau taille tard temporaire temporairement texte
    téléphone traitement traité trop trouvé trouvée un une utilisateur utiliser utilisé utilisée valeur valeurs
    valide valides validé veuillez vérifier vérifiez vide vides vos votre vous
"""

_UNITS = ("euro", "euros", "€", "dollar", "dollars", "$", "pounds", "£", "points")

#: What French writes before an apostrophe.
_ELISIONS = frozenset(("c", "d", "jusqu", "l", "lorsqu", "n", "qu", "s"))

_PARAMS = ("param1", "param2", "param3", "param4", "param5")

_TOKEN = re.compile(r"""([^\s.,:;!?()"“”«»]+)([.,:;!?]?)""")
_JOINT = re.compile(r"([-/_'])")
_APOSTROPHE = "\u2019"
# The names that Unicode gives to such letters: "LATIN SMALL LETTER O WITH STROKE", "LATIN SMALL LIGATURE OE".
_LATIN = re.compile(r"LATIN (?:SMALL|CAPITAL) (?:LETTER|LIGATURE) (?:DOTLESS )?([A-Z]{1,2}|ETH|THORN)(?: WITH .+)?")
_NAMED = {"ETH": "D", "THORN": "TH"}
_BETWEEN_WORDS = re.compile(r"[\W_]+")
# Surrogates, and control characters but for tab and line ends. Of these, PostgreSQL's JSON takes no NUL, UTF-8 no
# surrogate, and what a terminal does with an escape character, its sender decides.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def fold(text: str) -> str:
    """Take case and accents away, and whatever else Unicode holds for a way of writing the same letters."""
    if not text.isascii():
        # Before and after: normalizing a long run of combining characters takes the square of its length.
        text = unicodedata.normalize("NFKD", _without_accents(text))
        text = "".join(map(_base, _without_accents(text)))
    return text.casefold()


@functools.lru_cache(4096)
def _base(character: str) -> str:
    """Return the letters that one stands for which Unicode does not take apart: o for ø, ae for æ."""
    name = _LATIN.fullmatch(unicodedata.name(character, "")) if character > "\x7f" else None
    return character if name is None else _NAMED.get(name[1], name[1])


def _without_accents(text: str) -> str:
    return "".join(character for character in text if not unicodedata.combining(character))


_WORDS = (*_FRENCH.split(), *_ENGLISH.split(), *_UNITS, *_PARAMS)
#: Each word, folded → as it is written; and, as folding makes one of "valide" and "validé", each as it is written.
_WRITTEN = {**{fold(word): word for word in _WORDS}, **{word: word for word in _WORDS}}


def storable(text: str) -> str:
    """
    Make text of a server fit for JSON, CSV, databases and terminals.

    :return: at most 32,000 characters; each that no store should hold is U+FFFD.
    """
    return _UNSTORABLE.sub("\ufffd", text[:STORED_MAX_LENGTH])


def words_in(values: Iterable[str]) -> Callable[[str], bool]:
    """
    Make a test for words: whether one is in a value, however that is punctuated, capitalized or accented.

    A word of less than four letters is when it stands alone there; a longer one as a part of another word, too.
    """
    words: set[str] = set()
    glued: list[str] = []
    for value in values:
        parts = _BETWEEN_WORDS.split(fold(value))
        glued.append("".join(parts))
        words.update(parts)
    words.update(glued)
    text = "\n".join(glued)
    return lambda word: word in words or (len(word) >= _TELLING and word in text)


def shown(text: str, is_private: Callable[[str], bool] = lambda _: False) -> str:
    """
    Take all out of a server's text but words that are on the list.

    :param text: whatever a server said: a message, a status.
    :param is_private: whether a word must not be shown although it is on the list; see :func:`words_in`.
    :return: at most some 200 characters: words with at most one punctuation mark each, and ``***`` for all else.
    """
    pieces: list[str] = []
    length = 0
    for token in _TOKEN.finditer(text, 0, _LOOKED_AT):
        # A word at the edge of what is looked at may be the beginning of another one.
        word = None if token.end() == _LOOKED_AT else _shown_word(token[1], is_private)
        if word is not None:
            pieces.append(word + token[2])
        elif pieces[-1:] != [MASK]:
            pieces.append(MASK)
        else:
            continue
        length += len(pieces[-1]) + 1
        if length > SHOWN_MAX_LENGTH:
            return " ".join(pieces[:-1]) + " …"
    if len(text) > _LOOKED_AT and pieces[-1:] != [MASK]:
        pieces.append(MASK)
    return " ".join(pieces)


def _shown_word(token: str, is_private: Callable[[str], bool]) -> str | None:
    """Write a word as the list has it, capitals aside; None when it must not be shown."""
    token = token.replace(_APOSTROPHE, "'").strip("'`")
    written = _written(token, is_private)
    if written is not None:
        return written
    parts: list[str] = []
    for index, part in enumerate(pieces := _JOINT.split(token)):
        is_joint = index % 2 == 1
        is_elision = pieces[index + 1 : index + 2] == ["'"] and part.casefold() in _ELISIONS
        known = part if is_joint or is_elision else _written(part, is_private)
        if known is None:
            return None
        parts.append(known)
    return "".join(parts)


def _written(word: str, is_private: Callable[[str], bool]) -> str | None:
    folded = fold(word)
    known = _WRITTEN.get(unicodedata.normalize("NFC", word).lower()) or _WRITTEN.get(folded)
    if known is None or is_private(folded):
        return None
    if len(word) > 1 and word.isupper():
        return known.upper()
    return known.capitalize() if word[:1].isupper() else known
