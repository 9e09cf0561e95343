{#- Scoring as wide arithmetic, generated from the codebook when a model is compiled. An out-of-range answer never gets
    here (it is void in the lake). What is counted (recode and reverse every answer, then put together and count what
    was answered) is stored with the form, by the place of the scale in its version. From that a block of SQL per
    version makes its scores: judged (what the missing rule makes of it), plain (the score), and for ratios and linear
    scales settled and made; last, one row per scale.
    This file: what is counted. What becomes of it: scoring_rules.sql. -#}

{#- What the codebook says of every version that can be scored: {instrument, version, items by number, scales}. -#}
{% macro scored_versions() %}
    {%- set known = "('" ~ instrument_keys() | join("', '") ~ "')" -%}
    {%- set items, terms, versions = {}, {}, {} -%}
    {%- for row in rows_of('select * from ' ~ source('inputs', 'item') ~ ' where instrument in ' ~ known) -%}
        {%- do items.setdefault((row['instrument'], row['version']), {}).update({row['item'] | int: row}) -%}
    {%- endfor -%}
    {%- for row in rows_of('select * from ' ~ source('inputs', 'term') ~ ' where instrument in ' ~ known ~ ' order by term_order') -%}
        {%- do terms.setdefault((row['instrument'], row['version'], row['scale']), []).append(row) -%}
    {%- endfor -%}
    {%- for row in rows_of('select * from ' ~ source('inputs', 'scale') ~ ' where instrument in ' ~ known ~ ' order by instrument, version, scale_order') -%}
        {%- set key = (row['instrument'], row['version']) -%}
        {%- set scale = {
            'row': row,
            'key': row['scale'],
            'numbers': (row['items'] or '').split(',') if row['items'] else [],
            'terms': terms.get((row['instrument'], row['version'], row['scale']), []),
        } -%}
        {%- do versions.setdefault(key, {
            'instrument': row['instrument'], 'version': row['version'], 'items': items.get(key, {}), 'scales': []
        })['scales'].append(scale) -%}
    {%- endfor -%}
    {%- do return(versions.values() | list) -%}
{% endmacro %}

{#- SQL of one item's scored value; null where it was not answered. Reversal is (minimum + maximum) - x. -#}
{% macro item_expression(item) %}
    {%- set value = item_column(item['item']) | trim -%}
    {%- if item['recode'] -%}
        {%- set branches = [] -%}
        {%- for pair in item['recode'].split(',') -%}
            {%- do branches.append('when ' ~ pair.split(':')[0] ~ ' then ' ~ pair.split(':')[1]) -%}
        {%- endfor -%}
        {%- set value = 'case ' ~ value ~ ' ' ~ branches | join(' ') ~ ' end' -%}
    {%- endif -%}
    {%- if item['is_reversed'] -%}
        {%- set value = '(' ~ (item['reverse_from'] | int) ~ ' - ' ~ value ~ ')' -%}
    {%- endif -%}
    {%- do return(value) -%}
{% endmacro %}

{#- How many of a scale's items hold an answer (`is_null`: hold none), of those numbers that `only` lets through. -#}
{% macro count_of(numbers, is_null) %}
    {%- set counted = [] -%}
    {%- for number in numbers -%}
        {%- set column = item_column(number) | trim -%}
        {%- do counted.append('(case when ' ~ column ~ ' is null then ' ~ ('1 else 0' if is_null else '0 else 1') ~ ' end)') -%}
    {%- endfor -%}
    {%- do return(counted | join(' + ') or '0') -%}
{% endmacro %}

{#- The raw aggregate of one scale from its items: of a diagnosis how many criteria are met; of a ratio or a linear
    scale nothing. A null answer counts as nothing; the number of answers says how much that is. -#}
{% macro raw_expression(scale, items) %}
    {%- set aggregate = scale['row']['aggregate'] -%}
    {%- set values, bound = [], namespace(sum=0) -%}
    {%- for number in scale['numbers'] -%}
        {%- set item = items[number | int] -%}
        {%- do values.append(item_expression(item)) -%}
        {%- set bound.sum = bound.sum + [item['maximum'] | abs, item['minimum'] | abs] | max -%}
    {%- endfor -%}
    {%- if not values or aggregate in ('ratio', 'linear') -%}
        {%- set raw = 'null' -%}
    {%- elif aggregate == 'min' -%}
        {%- set raw = values[0] if values | length == 1 else 'least(' ~ values | join(', ') ~ ')' -%}
    {%- elif aggregate in ('count_at_least', 'diagnosis') -%}
        {%- set met = [] -%}
        {%- for value in values -%}
            {%- do met.append('(case when ' ~ value ~ ' >= ' ~ scale['row']['threshold'] ~ ' then 1 else 0 end)') -%}
        {%- endfor -%}
        {%- set raw = met | join(' + ') -%}
    {%- elif aggregate == 'value_set' -%}
        {%- set raw = value_set_expression(scale, items) -%}
    {%- else -%}
        {%- set summed = [] -%}
        {%- for value in values -%}
            {%- do summed.append('coalesce(' ~ value ~ ', 0)') -%}
        {%- endfor -%}
        {#- Answers are as small as they can be; a sum that they could not hold is made of large ones. -#}
        {%- set raw = ('cast(0 as bigint) + ' if bound.sum > 32767 else '') ~ summed | join(' + ') -%}
    {%- endif -%}
    {%- do return('cast(' ~ raw ~ ' as double)') -%}
{% endmacro %}

{#- Index of a health state: constant, the two once-only terms, and one term for each item and level above the lowest. -#}
{% macro value_set_expression(scale, items) %}
    {%- set row = scale['row'] -%}
    {%- set terms, above, highest = [row['constant'] | string], [], [] -%}
    {%- for number in scale['numbers'] -%}
        {%- set column = item_column(number) | trim -%}
        {%- do above.append(column ~ ' > ' ~ (items[number | int]['minimum'] | int)) -%}
        {%- do highest.append(column ~ ' = ' ~ (items[number | int]['maximum'] | int)) -%}
    {%- endfor -%}
    {%- do terms.append('(case when ' ~ above | join(' or ') ~ ' then ' ~ row['any_above_lowest'] ~ ' else 0 end)') -%}
    {%- do terms.append('(case when ' ~ highest | join(' or ') ~ ' then ' ~ row['any_at_highest'] ~ ' else 0 end)') -%}
    {%- for level in row['levels'].split(',') -%}
        {%- set column = item_column(level.split(':')[0]) | trim -%}
        {%- do terms.append('(case when ' ~ column ~ ' = ' ~ level.split(':')[1] ~ ' then ' ~ level.split(':')[2] ~ ' else 0 end)') -%}
    {%- endfor -%}
    {%- do return('round(cast(' ~ terms | join(' + ') ~ ' as double), ' ~ (row['decimals'] | int) ~ ')') -%}
{% endmacro %}

{#- 1 where every gate of a diagnosis is open, 0 where one is shut, null where that was not asked; '1' without gates. -#}
{% macro gate_expression(scale) %}
    {%- set shut, unknown = [], [] -%}
    {%- for gate in (scale['row']['gates'] or '').split(',') if gate -%}
        {%- set column = item_column(gate.split(':')[0]) | trim -%}
        {%- do shut.append(column ~ ' < ' ~ gate.split(':')[1]) -%}
        {%- do unknown.append(column ~ ' is null') -%}
    {%- endfor -%}
    {%- if not shut -%}
        {%- do return('1') -%}
    {%- endif -%}
    {%- do return(
        'case when ' ~ shut | join(' or ') ~ ' then 0 when ' ~ unknown | join(' or ') ~ ' then null else 1 end'
    ) -%}
{% endmacro %}

{#- What is counted of one scale: column → SQL, its place in the version in the name. -#}
{% macro counted_columns(scale, items) %}
    {%- set key, row = scale['key'], scale['row'] -%}
    {%- set columns = {
        slot_of('supplied', scale): 'lake.supplied_' ~ key,
        slot_of('answered', scale): count_of(scale['numbers'], false),
        slot_of('raw', scale): raw_expression(scale, items),
    } -%}
    {%- if row['only_items'] -%}
        {%- set others = scale['numbers'] | reject('in', row['only_items'].split(',')) | list -%}
        {%- do columns.update({slot_of('outside', scale): count_of(others, true)}) -%}
    {%- endif -%}
    {%- if row['aggregate'] == 'diagnosis' -%}
        {%- do columns.update({slot_of('gate', scale): gate_expression(scale)}) -%}
    {%- endif -%}
    {%- do return(columns) -%}
{% endmacro %}

{#- Name of the column that holds a part of what was counted of a scale. -#}
{% macro slot_of(part, scale) %}
    {%- do return(part ~ '_' ~ '%02d' | format(scale['row']['scale_order'] | int)) -%}
{% endmacro %}

{% macro slot_type(slot) -%}
    {{ 'double' if slot.split('_')[0] in ('supplied', 'raw') else 'smallint' }}
{%- endmacro %}

{#- Every column that any version counts in, in order. -#}
{% macro score_slots(versions) %}
    {%- set slots = [] -%}
    {%- for version in versions -%}
        {%- for scale in version['scales'] -%}
            {%- for slot in counted_columns(scale, version['items']) if slot not in slots -%}
                {%- do slots.append(slot) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do return(slots | sort) -%}
{% endmacro %}

{#- The value of a column for the versions of one instrument: null where a version does not have it. -#}
{% macro by_version(versions, column, type) %}
    {%- set branches = [] -%}
    {%- for version in versions -%}
        {%- set counted = {} -%}
        {%- for scale in version['scales'] -%}
            {%- do counted.update(counted_columns(scale, version['items'])) -%}
        {%- endfor -%}
        {%- if column in counted -%}
            {%- do branches.append("when '" ~ version['version'] ~ "' then " ~ counted[column]) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if branches -%}
        {%- do return('cast(case lake.version ' ~ branches | join(' ') ~ ' end as ' ~ type ~ ')') -%}
    {%- endif -%}
    {%- do return('cast(null as ' ~ type ~ ')') -%}
{% endmacro %}
