"""Small ODM files to write in tests: definitions of two forms, and whatever data a test puts behind them."""

from __future__ import annotations

from pathlib import Path

from assets.ingestion.readers.protocol import SourceFrame, read_file
from codebook.formats import OdmFormat, ReadingLimits

DEFINITIONS = """<Study OID="S">
  <GlobalVariables><StudyName>s</StudyName>{globals}</GlobalVariables>
  <BasicDefinitions><MeasurementUnit OID="MU.CM" Name="cm"><Symbol><TranslatedText>cm</TranslatedText></Symbol>
  </MeasurementUnit></BasicDefinitions>
  <MetaDataVersion OID="M" Name="M">
    <StudyEventDef OID="E.1" Name="Intake" Repeating="No" Type="Scheduled"><FormRef FormOID="F.1"/></StudyEventDef>
    <FormDef OID="F.1 " Name="Scale " Repeating="No">
      <ItemGroupRef ItemGroupOID="G.1"/><ItemGroupRef ItemGroupOID="G.2"/><ItemGroupRef ItemGroupOID="G.R"/></FormDef>
    <FormDef OID="F.2" Name="Other" Repeating="No"><ItemGroupRef ItemGroupOID="G.3"/></FormDef>
    <ItemGroupDef OID="G.1" Name="Answers" Repeating="No"><ItemRef ItemOID="I.1"/><ItemRef ItemOID="I.2"/>
    </ItemGroupDef>
    <ItemGroupDef OID="G.2" Name="When" Repeating="No"><ItemRef ItemOID="I.DATE"/></ItemGroupDef>
    <ItemGroupDef OID="G.R" Name="Medication" Repeating="Yes"><ItemRef ItemOID="I.DRUG"/></ItemGroupDef>
    <ItemGroupDef OID="G.3" Name="Third" Repeating="No"><ItemRef ItemOID="I.3"/></ItemGroupDef>
    <ItemDef OID="I.1" Name="first" DataType="integer"><CodeListRef CodeListOID="CL.1"/></ItemDef>
    <ItemDef OID="I.2" Name="second" DataType="integer"><MeasurementUnitRef MeasurementUnitOID="MU.CM"/></ItemDef>
    <ItemDef OID="I.DATE" Name="event_date" DataType="date"/>
    <ItemDef OID="I.DRUG" Name="drug" DataType="text"/>
    <ItemDef OID="I.3" Name="third" DataType="text"/>
    <CodeList OID="CL.1" Name="c" DataType="integer"><CodeListItem CodedValue="1"><Decode>
      <TranslatedText>never</TranslatedText></Decode></CodeListItem></CodeList>
  </MetaDataVersion></Study>
  <AdminData><Location OID="L.1" Name="North"/></AdminData>"""

FIRST = '<ItemGroupData ItemGroupOID="G.1"{more}><ItemData ItemOID="I.1" Value="{value}"/></ItemGroupData>'


def odm(data: str, kind: str = "Snapshot", globals: str = "", head: str = "") -> str:
    """A whole file; `data` stands inside ClinicalData."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" '
        'xmlns:oc="http://www.openclinica.org/ns/odm_ext_v130/v3.1" xmlns:redcap="https://projectredcap.org" '
        f'FileType="{kind}" ODMVersion="1.3">{DEFINITIONS.format(globals=globals)}'
        f'<ClinicalData StudyOID="S" MetaDataVersionOID="M">{data}</ClinicalData></ODM>'
    )


def form(inside: str, subject: str = "1", transaction: str = "", audit: str = "", oid: str = "F.1") -> str:
    """One form of one event of one subject; `transaction` is the form's."""
    typed = f' TransactionType="{transaction}"' if transaction else ""
    return (
        f'<SubjectData SubjectKey="{subject}"><SiteRef LocationOID="L.1"/><StudyEventData StudyEventOID="E.1">'
        f'<FormData FormOID="{oid}"{typed}>{audit}{inside}</FormData></StudyEventData></SubjectData>'
    )


def first(value: object, transaction: str = "") -> str:
    """The group G.1 with one value."""
    return FIRST.format(value=value, more=f' TransactionType="{transaction}"' if transaction else "")


def audit(at: str, reason: str = "edited", source: str = "") -> str:
    """An audit record as secuTrial writes it."""
    return (
        f'<AuditRecord><UserRef UserOID="U.1"/><LocationRef LocationOID="L.1"/><DateTimeStamp>{at}</DateTimeStamp>'
        f"<ReasonForChange>{reason}</ReasonForChange>{f'<SourceID>{source}</SourceID>' if source else ''}</AuditRecord>"
    )


def read_odm(
    folder: Path, content: str | bytes, sheet: str | None = "F.1", limits: ReadingLimits | None = None, **declared: str
) -> SourceFrame:
    """Write the file and read it as a site would."""
    path = folder / "export.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, "export.xml", OdmFormat.model_validate({"reader": "odm", **declared}), sheet, limits)
