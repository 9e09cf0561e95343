{#- Scoring as wide arithmetic. Order, for every item: recode, then reverse; for every scale: count what was answered,
    put together, apply the missing rule. An out-of-range answer never gets here (it is void in the lake). -#}

{#- SQL of one item's scored value; null where it was not answered. Reversal is (minimum + maximum) - x. -#}
{% macro item_expression(column, item) %}
    {%- set value = column -%}
    {%- if item['recode'] -%}
        {%- set branches = [] -%}
        {%- for pair in item['recode'].split(',') -%}
            {%- do branches.append('when ' ~ pair.split(':')[0] ~ ' then ' ~ pair.split(':')[1]) -%}
        {%- endfor -%}
        {%- set value = 'case ' ~ column ~ ' ' ~ branches | join(' ') ~ ' end' -%}
    {%- endif -%}
    {%- if item['is_reversed'] -%}
        {%- set value = '(' ~ (item['reverse_from'] | int) ~ ' - ' ~ value ~ ')' -%}
    {%- endif -%}
    {%- do return(value) -%}
{% endmacro %}

{#- For one instrument: per version and scale the SQL of the raw aggregate, of the number of answered items, and of the
    number of missing items that the scale's rule does not allow to be missing. Ratios and linear scales have no raw
    value of their own: `scale_score` makes them from the scales that they name. -#}
{% macro scale_expressions(instrument) %}
    {%- set items = {} -%}
    {%- set item_sql -%}
        select version, item, minimum, maximum, is_reversed, reverse_from, recode
        from {{ source('inputs', 'item') }}
        where instrument = '{{ instrument }}'
    {%- endset -%}
    {%- for row in rows_of(item_sql) -%}
        {%- do items.update({row['version'] ~ '/' ~ (row['item'] | int): row}) -%}
    {%- endfor -%}
    {%- set scale_sql -%}
        select *
        from {{ source('inputs', 'scale') }}
        where instrument = '{{ instrument }}'
        order by version, scale_order
    {%- endset -%}
    {%- set scales = [] -%}
    {%- for row in rows_of(scale_sql) -%}
        {%- set numbers = row['items'].split(',') if row['items'] else [] -%}
        {%- set values, answered, outside = [], [], [] -%}
        {%- set allowed = (row['only_items'] or row['items'] or '').split(',') -%}
        {%- for number in numbers -%}
            {%- set column = item_column(number) | trim -%}
            {%- do values.append(item_expression(column, items[row['version'] ~ '/' ~ number])) -%}
            {%- do answered.append('(case when ' ~ column ~ ' is null then 0 else 1 end)') -%}
            {%- if number not in allowed -%}
                {%- do outside.append('(case when ' ~ column ~ ' is null then 1 else 0 end)') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do scales.append({
            'version': row['version'],
            'scale': row['scale'],
            'raw': raw_expression(row, numbers, values, answered, items),
            'answered': answered | join(' + ') or '0',
            'outside': outside | join(' + ') or '0',
        }) -%}
    {%- endfor -%}
    {%- do return(scales) -%}
{% endmacro %}

{#- The raw aggregate of one scale from the scored values of its items. -#}
{% macro raw_expression(scale, numbers, values, answered, items) %}
    {%- set aggregate = scale['aggregate'] -%}
    {%- set raw = 'null' -%}
    {%- if not values or aggregate in ('ratio', 'linear') -%}
        {%- set raw = 'null' -%}
    {%- elif aggregate == 'min' -%}
        {%- set raw = values[0] if values | length == 1 else 'least(' ~ values | join(', ') ~ ')' -%}
    {%- elif aggregate in ('count_at_least', 'diagnosis') -%}
        {%- set met = [] -%}
        {%- for value in values -%}
            {%- do met.append('(case when ' ~ value ~ ' >= ' ~ scale['threshold'] ~ ' then 1 else 0 end)') -%}
        {%- endfor -%}
        {%- set raw = met | join(' + ') -%}
        {%- if aggregate == 'diagnosis' -%}
            {%- set raw = diagnosis_expression(scale, raw, values | length ~ ' - (' ~ answered | join(' + ') ~ ')') -%}
        {%- endif -%}
    {%- elif aggregate == 'value_set' -%}
        {%- set raw = value_set_expression(scale, numbers, items) -%}
    {%- else -%}
        {%- set summed = [] -%}
        {%- for value in values -%}
            {%- do summed.append('coalesce(' ~ value ~ ', 0)') -%}
        {%- endfor -%}
        {%- set raw = summed | join(' + ') -%}
    {%- endif -%}
    {%- do return(raw) -%}
{% endmacro %}

{#- 1 where enough criteria are met and every gate is passed, 0 where they cannot be, null where that is not settled. -#}
{% macro diagnosis_expression(scale, met, missing) %}
    {%- set closed, unknown = [], [] -%}
    {%- for gate in (scale['gates'] or '').split(',') if gate -%}
        {%- set column = item_column(gate.split(':')[0]) | trim -%}
        {%- do closed.append(column ~ ' < ' ~ gate.split(':')[1]) -%}
        {%- do unknown.append(column ~ ' is null') -%}
    {%- endfor -%}
    {%- set decided -%}
        case
            {% if closed -%}
            when {{ met }} >= {{ scale['needed'] | int }} and ({{ closed | join(' or ') }}) then 0
            when {{ met }} >= {{ scale['needed'] | int }} and ({{ unknown | join(' or ') }}) then null
            {% endif -%}
            when {{ met }} >= {{ scale['needed'] | int }} then 1
            when {{ met }} + {{ missing }} < {{ scale['needed'] | int }} then 0
        end
    {%- endset -%}
    {%- do return(decided) -%}
{% endmacro %}

{#- Index of a health state: constant, the two once-only terms, and one term for each item and level above the lowest. -#}
{% macro value_set_expression(scale, numbers, items) %}
    {%- set terms, above, highest = [scale['constant'] | string], [], [] -%}
    {%- for number in numbers -%}
        {%- set column = item_column(number) | trim -%}
        {%- set item = items[scale['version'] ~ '/' ~ number] -%}
        {%- do above.append(column ~ ' > ' ~ (item['minimum'] | int)) -%}
        {%- do highest.append(column ~ ' = ' ~ (item['maximum'] | int)) -%}
    {%- endfor -%}
    {%- do terms.append('(case when ' ~ above | join(' or ') ~ ' then ' ~ scale['any_above_lowest'] ~ ' else 0 end)') -%}
    {%- do terms.append('(case when ' ~ highest | join(' or ') ~ ' then ' ~ scale['any_at_highest'] ~ ' else 0 end)') -%}
    {%- for level in scale['levels'].split(',') -%}
        {%- set column = item_column(level.split(':')[0]) | trim -%}
        {%- do terms.append('(case when ' ~ column ~ ' = ' ~ level.split(':')[1] ~ ' then ' ~ level.split(':')[2] ~ ' else 0 end)') -%}
    {%- endfor -%}
    {%- do return('round(cast(' ~ terms | join(' + ') ~ ' as double), ' ~ (scale['decimals'] | int) ~ ')') -%}
{% endmacro %}

{#- Instruments that have scales, each with its expressions; an instrument may be declared for its answers alone. -#}
{% macro scored_instruments() %}
    {%- set found = [] -%}
    {%- for instrument in instrument_keys() -%}
        {%- set scales = scale_expressions(instrument) -%}
        {%- if scales or not execute -%}
            {%- do found.append((instrument, scales)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(found) -%}
{% endmacro %}

{#- One of `scale_expressions` picked by the row's version and scale. -#}
{% macro by_scale(scales, part) %}
    case
        {%- for scale in scales %}
            when version = '{{ scale['version'] }}' and scale = '{{ scale['scale'] }}'
                then {{ scale[part] }}
        {%- endfor %}
    end
{% endmacro %}

{#- What became of a scale, from columns n_items, n_answered, n_missing_not_allowed, max_missing, rule_name,
    is_rule_accepted, prorate, aggregate, raw_value, score_supplied. A score that the unit supplied counts only where
    no item came: it must not step around the missing rule. -#}
{% macro score_status() %}
    case
        when n_answered = 0 and score_supplied is not null then 'supplied'
        when n_items = 0 then 'no_public_key'
        when n_answered = 0 then 'not_answered'
        when aggregate = 'diagnosis' and raw_value is null then 'undecided'
        when aggregate = 'diagnosis' or n_answered = n_items then 'scored'
        when rule_name is null then 'no_accepted_rule'
        when n_items - n_answered > max_missing or n_missing_not_allowed > 0 then 'too_many_missing'
        when not is_rule_accepted then 'no_accepted_rule'
        when prorate = 'person_mean' then 'prorated'
        else 'scored'
    end
{% endmacro %}

{#- The score for a status: a mean over the answered items; a sum or a count, brought up to all items where prorated. -#}
{% macro score_value() %}
    case
        when status = 'supplied' then score_supplied
        when status not in ('scored', 'prorated') then null
        when aggregate = 'mean' then raw_value / n_answered
        when aggregate in ('sum', 'count_at_least') and status = 'prorated' then raw_value * n_items / n_answered
        else raw_value
    end
{% endmacro %}

{#- How far a unit's own total may lie from ours: rounding to two decimals. -#}
{% macro supplied_tolerance() -%} 0.005 {%- endmacro %}
