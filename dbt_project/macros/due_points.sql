{#- Due points and what belongs to them, level by level: an occasion that counts from the assessment of another can be
    placed only after that one has been. Called by stg_due_point, whose names of CTEs they use. -#}

{#- The highest level that any schedule needs: 0 where nothing counts from a previous assessment. -#}
{% macro last_level() %}
    {%- set rows = rows_of('select coalesce(max(level), 0) as n from ' ~ source('inputs', 'occasion')) -%}
    {%- do return(rows[0]['n'] | int if rows else 0) -%}
{% endmacro %}

{#- One name per level, joined by union all. -#}
{% macro all_levels(name, columns, last) %}
    {%- for level in range(last + 1) %}
    select {{ columns }} from {{ name }}_{{ level }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{% endmacro %}

{#- Course × occasion, and the day it counts from: `anchor_date` where a day is known, `match_date` also where only
    months are. -#}
{% macro anchored(level) %}
    {%- if level == 0 %}
    select
        anchor.course_no,
        anchor.occasion_no,
        anchor.anchor_date,
        case
            when anchor.is_dated then anchor.anchor_date
            when anchor.anchor in ('admission', 'treatment_start') then anchor.month_zero_date
        end as match_date
    from (
        select
            course.course_no,
            course.is_dated,
            course.month_zero_date,
            occasion.occasion_no,
            occasion.anchor,
            case occasion.anchor
                when 'admission' then course.admission_date
                when 'treatment_start' then course.start_date
                when 'discharge' then course.discharge_date
                else held.session_date
            end as anchor_date
        from {{ ref('stg_course') }} as course
        inner join {{ source('inputs', 'occasion') }} as occasion
            on course.schedule = occasion.schedule and occasion.level = 0 and occasion.kind <> 'unscheduled'
        left join held on course.course_no = held.course_no and occasion.occasion_no = held.occasion_no
        where occasion.anchor <> 'discharge' or course.discharge_date is not null
    ) as anchor
    {%- else %}
    select
        before.course_no,
        occasion.occasion_no,
        case
            when max(case when course.is_dated then 1 else 0 end) = 1
                then coalesce(max(answered.match_date), max(before.due_date))
        end as anchor_date,
        coalesce(max(answered.match_date), max(before.match_due)) as match_date
    from point_{{ level - 1 }} as before
    inner join {{ source('inputs', 'occasion') }} as occasion
        on before.occasion_no = occasion.previous_occasion_no and occasion.level = {{ level }}
    inner join {{ ref('stg_course') }} as course on before.course_no = course.course_no
    left join (
        select course_no, slot_no, match_date from labelled
        union all
        select course_no, slot_no, match_date from taken_{{ level - 1 }}
    ) as answered on before.course_no = answered.course_no and before.slot_no = answered.slot_no
    group by before.course_no, occasion.occasion_no
    {%- endif %}
{% endmacro %}

{#- Due points of one level: `match_due` is the due date where one is known, else the day that months make. -#}
{% macro points(level) %}
    select
        dated.course_no,
        dated.occasion_no,
        due.due_no,
        due.slot_no,
        dated.due_date,
        dated.match_due
    from (
        select
            anchored.course_no,
            anchored.occasion_no,
            course.arm,
            course.month_zero_date,
            {{ add_days('anchored.anchor_date', 'occasion.lag_days') }} as due_date,
            {{ add_days('anchored.match_date', 'occasion.lag_days') }} as match_due
        from anchored_{{ level }} as anchored
        inner join {{ ref('stg_course') }} as course on anchored.course_no = course.course_no
        inner join {{ source('inputs', 'occasion') }} as occasion on anchored.occasion_no = occasion.occasion_no
    ) as dated
    inner join {{ source('inputs', 'due') }} as due
        on dated.occasion_no = due.occasion_no
        and (due.arm is null or dated.arm = due.arm)
        and case
            when dated.due_date is null then due.is_due_undated
            else (due.from_date is null or dated.due_date >= due.from_date)
                and (due.until_date is null or dated.due_date < due.until_date)
        end
        and (
            due.from_days is null
            or dated.match_due is null
            or dated.match_due >= {{ add_days('dated.month_zero_date', 'due.from_days') }}
        )
{% endmacro %}

{#- Assessments without a label, and the due points of one level that they lie near enough to, in the order in which they
    are given away: inside the window first, then the nearest, ties to the earlier due date and the earlier assessment. -#}
{% macro pairs(level) %}
    select
        near.*,
        row_number() over (
            partition by near.course_no, near.series_no
            order by
                case when near.is_vanished then 1 else 0 end,
                near.is_outside,
                near.distance_days,
                near.match_due,
                near.match_date,
                near.assessment_id
        ) as pair_no,
        dense_rank() over (
            partition by near.course_no, near.series_no order by near.match_date, near.assessment_id
        ) as assessment_no
    from (
        select
            unlabelled.course_no,
            unlabelled.series_no,
            unlabelled.slot_no,
            unlabelled.assessment_id,
            unlabelled.match_date,
            unlabelled.assessment_date,
            unlabelled.is_vanished,
            point.match_due,
            abs({{ dbt.datediff('point.match_due', 'unlabelled.match_date', 'day') }}) as distance_days,
            case
                when unlabelled.match_date < {{ add_days('point.match_due', '-occasion.before_days') }}
                    or unlabelled.match_date > {{ add_days('point.match_due', 'occasion.after_days') }}
                    then 1
                else 0
            end as is_outside
        from unlabelled
        inner join point_{{ level }} as point
            on unlabelled.course_no = point.course_no and unlabelled.slot_no = point.slot_no
        inner join {{ source('inputs', 'occasion') }} as occasion on point.occasion_no = occasion.occasion_no
        left join labelled on point.course_no = labelled.course_no and point.slot_no = labelled.slot_no
        {%- for before in range(level) %}
        left join taken_{{ before }} on unlabelled.assessment_id = taken_{{ before }}.assessment_id
        {%- endfor %}
        where labelled.slot_no is null
            and unlabelled.match_date >= {{ add_days('point.match_due', '-occasion.reach_before_days') }}
            and unlabelled.match_date <= {{ add_days('point.match_due', 'occasion.reach_after_days') }}
        {%- for before in range(level) %}
            and taken_{{ before }}.assessment_id is null
        {%- endfor %}
    ) as near
{% endmacro %}

{#- Goes through the pairs of a course in their order and takes each whose due point and assessment are both still free. -#}
{% macro walk(level) %}
    select
        course_no,
        series_no,
        pair_no,
        slot_no,
        assessment_id,
        match_date,
        assessment_date,
        is_vanished,
        true as is_taken,
        '|p' || slot_no || '|a' || assessment_no || '|' as used
    from pair_{{ level }}
    where pair_no = 1
    union all
    select
        next.course_no,
        next.series_no,
        next.pair_no,
        next.slot_no,
        next.assessment_id,
        next.match_date,
        next.assessment_date,
        next.is_vanished,
        next.is_free as is_taken,
        case
            when next.is_free then next.used || 'p' || next.slot_no || '|a' || next.assessment_no || '|'
            else next.used
        end as used
    from (
        select
            pair.*,
            walk.used,
            position('|p' || pair.slot_no || '|' in walk.used) = 0
                and position('|a' || pair.assessment_no || '|' in walk.used) = 0 as is_free
        from walk_{{ level }} as walk
        inner join pair_{{ level }} as pair
            on walk.course_no = pair.course_no
            and walk.series_no = pair.series_no
            and walk.pair_no + 1 = pair.pair_no
    ) as next
{% endmacro %}
