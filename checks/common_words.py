"""Everyday words that are also names, or that stand where a name should: finding one in a text proves nothing.

What belongs here: words of Norwegian, English and German, in small letters. What does not: words of one network's own
(`privacy.common_words` in network.yaml), and what is done about a text that holds one (`checks.leaks`).
"""

from __future__ import annotations

_CALENDAR = """
januar februar mars april mai juni juli august september oktober november desember january february march may june
july october december jänner märz dezember mandag tirsdag onsdag torsdag fredag lørdag søndag monday tuesday wednesday
thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag sonntag sommer vinter høst vår
summer winter autumn spring herbst frühling jul påske easter christmas ostern weihnachten jan feb mar apr jun aug sep
sept okt oct nov des dec dez
"""
_NORWEGIAN = """
alle alt andre annen annet arbeid barn bare begge behandler behandling berg beste bjørk bjørn bo bolig bred bror bru
brun by bygd bør dag dagen dal dalen datter den der det din dra dyr eik elv eng engen enn er et etter even far fast
feil fin fjell flere for fra fri frisk frivillig fru får gammel gang gate glad god gode grønn gutt gården gård hage
han hans har hav havn hei hele hennes her hjem holt hos hun hus hva hver hvit høy høyre ikke inn ingen jente jobb kan
kirke klar kom kort kunne kvinne kveld kjær lang lege legen liten liv livet løve man mann mannen med mellom men mer
midt mindre mitt mor morgen mot mye myr myhre nei neste ned nord ny nå nær når odd odde ofte ord oss over par pasient
pasienten per post pus på rik ring ringe ro rolig rose rosen rød rør sak sand sande samme sang selv sen ser seter
siden sin skal skog skogen sol sola som sommer sor stein sten stor strand stranden stue sunde svart sverd syk søn sønn
sør søster tar tid til time ting to tomt topp tor torg tro tror tre under ung ut uten vann vatn veien vei venn vest
vik viken vil vilje ville vis viss voll vår våre år øst øy øye øyen ås åsen ukjent ja mannlig kvinnelig
"""
_ENGLISH = """
able about after again alone also and angel anger any apple are arm art ash away back baker ball banks bar barber barn
bay beach bean bear beck bell berry best better big bird bishop black blue blunt bold bond book both bow bowl boy
brave bright brook brown bud bull bush but call calm can candy care case cash cat chance chase child church clear
close cook cool corn cotton court cow cross crystal curt daily dark dawn day days dear dove down drew drive early earl
east eve even ever every faith fall farmer father fear field fine finch fish flower flowers folk ford forest fox frank
free french friend frost game gale garden gift glad gold golden good gore grace grand grant gray great green grey
grove guy hail hall hand hands happy hard hardy harp haven heath help her hill hills him his hogg holly holland home
hood hope house how hunt hunter ice ivy jade job joy judge just keen kind king knight lake lamb land lane law link
little long lord love low luck major man many mark marsh may meadows mercy mild mill miller moon moor more morning
most mother mount much new nick night noble none noon north not now nurse oak olive one open orange other our out page
palm park parks part pat patient pay peace pearl person pike pine piper place pool poor pope potter power price pride
prince pure quick rain read red rest rich ridge ring rivers river road rock root rose rowan royal ruby rush rust sad
sage sailor salt sand sandy savage scarlet school sea self shepherd sharp she short sister sky small smart snow son
song south spring star stone storm street strong summers sunny swift teacher temple tender the they thorn time tree
true unknown van walk walker wall ward warden warm waters way weaver week well wells west wheeler white who wild will
wine wing winters wise with wolf wood woods work worth yes yet you young yours male female
"""
_GERMAN = """
alle alt arm auch auge bach bauer baum bein berg bester bett bis bitter blau blum blume boden brand braun brot bruder
brunnen buch burg dank das dein der dick die doch dorf ehe ein eine engel ernst feld fels fest feuer fisch frank frau
frei fremd freude freund frisch froh fromm fuß ganz garten gast geist gerade glas glück gold gott graf groß gross grün
gut haar hahn haus heide heil hell herr herz heute himmel hoch hof holz horn hund ich ihr immer in jäger jeder jung
kaiser kalt kammer kaufmann kein keine keller kind kirche klar klein klug koch kohl kopf krank kraft krieg krone kurz
könig lang laut leben lehrer leicht licht lieb liebe linde los löwe mann markt mauer maus mehr mein meister mensch mit
morgen mutter nacht nagel name nein neu nicht nie noch oben oder ohne oft ost pfarrer preis rat recht reich rein rest
richter ritter rose rosen rot ruhe sache sand schade schatz schnee schön schreiber schuh schule schwarz schwester see
sehr seil seite sicher sohn sonne spät spiegel stark stein stern stolz straße strauß süß tag tal teich tier tochter
tod treu und unbekannt vater vogel voll vom von vor wahl wald wand warm was wasser weg weiß welt wenig wer werk wert
west wetter wie wiese wind wir wirt wohl wolf wolle wort wunder zeit zimmer zug zwei
"""
COMMON_WORDS = frozenset(" ".join((_CALENDAR, _NORWEGIAN, _ENGLISH, _GERMAN)).split())
